#!/usr/bin/env bash
# The CUDA engine's parity suite and benchmark, on a machine with a GPU, a PyTorch with CUDA, CMake and a C++ compiler.
# Neither Node nor a network is needed.
#
#   scripts/gpu/check.sh DATA OUT [build|parity|bench]...
#
# DATA holds cifar-10-batches-bin/test_batch.bin; OUT gets fixtures, logs and results. Without further words all parts run.
# PYTHON chooses the Python (default: python3); its torch package is the libtorch that is built against.
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,8p' "$0" >&2
  exit 2
fi
data=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
shift 2
parts=${*:-build parity bench}
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
build=${BUILD:-$out/build}
parity="$build/test/engine/engine_parity"

wants() { [[ " $parts " == *" $1 "* ]]; }

if wants build; then
  read -r version root < <("$python" -c 'import os, torch; print(torch.__version__, os.path.dirname(torch.__file__))')
  # The OpenMP runtime that libtorch loads itself: see cmake/Libtorch.cmake.
  openmp=$(find "$root/lib" -maxdepth 1 -name 'libgomp*.so*' | head -n 1)
  echo "libtorch $version in $root"
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DHIRE_SNN_ADDON=OFF \
    -DLIBTORCH_ROOT="$root" -DLIBTORCH_VERSION="$version" -DLIBTORCH_LIB_DIR="$root/lib" -DLIBTORCH_OPENMP="$openmp" \
    > "$out/configure.log"
  cmake --build "$build" --target engine_parity --parallel "$(nproc)" > "$out/build.log" || {
    tail -n 40 "$out/build.log"
    exit 1
  }
fi

fixtures() {
  for network in vgg5 vgg11; do
    [ -f "$out/$network.pt" ] || "$python" scripts/gpu/make_fixtures.py "$network" "$data" "$out/$network.pt"
  done
}

if wants parity; then
  "$parity" small --device cuda > "$out/small.log" || {
    grep -B4 BROKEN "$out/small.log"
    exit 1
  }
  echo "small networks: $(tail -n 1 "$out/small.log")"
  "$parity" training --device cuda > "$out/training.log" || {
    grep -B4 BROKEN "$out/training.log"
    exit 1
  }
  echo "training: $(tail -n 1 "$out/training.log")"
  fixtures
  for network in vgg5 vgg11; do
    "$parity" fixture "$out/$network.pt" --device cuda | tee "$out/$network.log"
  done
fi

if wants bench; then
  fixtures
  "$parity" bench "$out/vgg11.pt" --device cuda | tee "$out/bench.jsonl"
  "$parity" bench "$out/vgg11.pt" --device cuda --tf32 | tee -a "$out/bench.jsonl"
  "$python" scripts/gpu/bench_peers.py "$out/vgg11.pt" | tee -a "$out/bench.jsonl"
fi
