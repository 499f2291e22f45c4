#include "kernels.h"

#include <algorithm>
#include <string>

#include "engine/error.h"
#include "instruction_sets.h"

namespace hire_snn {
namespace {

constexpr InstructionSet kAll[] = {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512,
                                   InstructionSet::kAmx};

bool supported(InstructionSet set) {
  switch (set) {
    case InstructionSet::kBaseline:
      return true;
#if defined(__x86_64__)
    case InstructionSet::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case InstructionSet::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("fma");
    case InstructionSet::kAmx:
      return supported(InstructionSet::kAvx512) && amx::supported();
#endif
    default:
      return false;
  }
}

}  // namespace

std::string_view name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAmx:
      return "amx";
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kBaseline:
      break;
  }
  return "baseline";
}

std::optional<InstructionSet> instruction_set(std::string_view name) {
  for (const InstructionSet set : kAll) {
    if (name_of(set) == name) return set;
  }
  return std::nullopt;
}

std::vector<InstructionSet> supported_instruction_sets() {
  std::vector<InstructionSet> sets;
  std::copy_if(std::begin(kAll), std::end(kAll), std::back_inserter(sets), supported);
  return sets;
}

bool has_matrix_units(InstructionSet set) { return set == InstructionSet::kAmx; }

InstructionSet best_instruction_set() {
  std::vector<InstructionSet> sets = supported_instruction_sets();
  if (sets.back() == InstructionSet::kAmx && !amx::permitted()) sets.pop_back();
  return sets.back();
}

const Kernels& kernels_for(InstructionSet set) {
  if (!supported(set)) {
    std::string names;
    for (const InstructionSet other : supported_instruction_sets()) {
      names += (names.empty() ? "" : ", ") + std::string(name_of(other));
    }
    throw CodedError("INVALID_ARGUMENT", "Expected an instruction set of this machine (" + names +
                                             ") but received " + std::string(name_of(set)));
  }
  if (set == InstructionSet::kAmx && !amx::permitted()) {
    throw CodedError(
        "INVALID_ARGUMENT",
        "Expected the system to give the process the memory of amx but it was refused: a thread has a "
        "signal stack that is too small for it; avx512 needs none");
  }
  switch (set) {
#if defined(__x86_64__)
    case InstructionSet::kAmx:
      return amx::kernels();
    case InstructionSet::kAvx512:
      return avx512::kernels();
    case InstructionSet::kAvx2:
      return avx2::kernels();
#endif
    default:
      return baseline::kernels();
  }
}

}  // namespace hire_snn
