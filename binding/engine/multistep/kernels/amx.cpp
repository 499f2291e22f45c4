// The kernels for x86 with AMX (tiles of 8-bit integers): those of AVX-512, with whole numbers and fixed
// point on the matrix unit. The instructions are assembly to the compiler; only what is around them is
// compiled for a set.

#include "instruction_sets.h"

// GCC from 11 on; clang has not been tried.
#if defined(__x86_64__) && defined(__linux__) && !defined(__clang__) && __has_include(<amxint8intrin.h>)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,amx-tile,amx-int8")

namespace hire_snn::amx {
namespace {

/// Bytes of a tile's row, and of a digit of a panel, which is one tile.
constexpr std::int64_t kRowBytes = kMatrixFactors;
constexpr std::int64_t kTileBytes = kMatrixRows * kRowBytes;
static_assert(kMatrixPanel == kDigits * kTileBytes);

/// All tiles have 16 rows of 64 bytes.
struct alignas(64) Configuration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr Configuration kConfiguration;

/// Has the tiles of its thread while it lives: a thread without them is cheaper to switch from.
///
/// The instructions are assembly, and GCC does not know what they read (its bug 114098): what a tile is
/// loaded from has to be in memory already, as constants are, and whatever another function wrote.
class Tiles {
 public:
  Tiles() { asm volatile("ldtilecfg %0" ::"m"(kConfiguration)); }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef std::int32_t Integers __attribute__((vector_size(64), may_alias));

inline Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
inline void store(float* to, Floats value) { *reinterpret_cast<Floats*>(to) = value; }

/// Tiles of sums, by what they count.
struct alignas(64) Sums {
  std::int32_t digits[4][kMatrixRows][kMatrixRows];

  /// See value_of() in kernels.inl.
  template <int number>
  Floats row(std::int64_t row) const {
    Floats value{};
    for (int i = number - 1; i >= 0; --i) {
      value = value * 256.0F +
              __builtin_convertvector(*reinterpret_cast<const Integers*>(digits[i][row]), Floats);
    }
    return value;
  }
};

void put_sums(const LevelTask& task, const Sums& sums, std::int64_t tile, std::int64_t first) {
  const Floats scale = load(task.scales + first) * task.unit;
  for (std::int64_t row = 0; row < kMatrixRows; ++row) {
    float* to = task.sums[tile * kMatrixRows + row];
    if (to != nullptr) store(to + first, sums.row<kDigits>(row) * scale);
  }
}

/// The sums of two tiles of rows, or of the last one, for one column of outputs. Six tiles hold sums and two
/// are left, so that each tile of weights is loaded twice.
void sum_column(const LevelTask& task, std::int64_t tile, std::int64_t column) {
  Sums sums;
  const bool both = tile + 1 < task.count;
  const std::uint8_t* const rows = task.tiles[tile];
  const std::int64_t distance = both ? task.tiles[tile + 1] - rows : 0;
  const std::int8_t* panel = task.weights + column * task.tap_count * task.panels * kMatrixPanel;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (std::int64_t tap = 0; tap < task.tap_count; ++tap) {
    const std::uint8_t* levels = rows + task.taps[tap];
    for (std::int64_t i = 0; i < task.panels; ++i, levels += kRowBytes, panel += kMatrixPanel) {
      _tile_loadd(6, levels, task.row_stride);
      _tile_loadd(7, panel, kRowBytes);
      _tile_dpbusd(0, 6, 7);
      _tile_loadd(7, panel + kTileBytes, kRowBytes);
      _tile_dpbusd(1, 6, 7);
      _tile_loadd(7, panel + 2 * kTileBytes, kRowBytes);
      _tile_dpbusd(2, 6, 7);
      if (!both) continue;
      _tile_loadd(6, levels + distance, task.row_stride);
      _tile_dpbusd(5, 6, 7);
      _tile_loadd(7, panel + kTileBytes, kRowBytes);
      _tile_dpbusd(4, 6, 7);
      _tile_loadd(7, panel, kRowBytes);
      _tile_dpbusd(3, 6, 7);
    }
  }
  _tile_stored(0, sums.digits[0], kRowBytes);
  _tile_stored(1, sums.digits[1], kRowBytes);
  _tile_stored(2, sums.digits[2], kRowBytes);
  put_sums(task, sums, tile, column * kMatrixRows);
  if (!both) return;
  _tile_stored(3, sums.digits[0], kRowBytes);
  _tile_stored(4, sums.digits[1], kRowBytes);
  _tile_stored(5, sums.digits[2], kRowBytes);
  put_sums(task, sums, tile + 1, column * kMatrixRows);
}

void sum_levels(const LevelTask& task) {
  const Tiles tiles;
  // Where the inputs of two tiles fit in the first-level cache (the taps of a convolution read most of them
  // again) all columns are computed while they are there; else a column's weights stay in the second-level
  // one.
  const bool rows_first = task.tap_count > 1 && 2 * kMatrixRows * task.panels * kRowBytes <= 8 << 10;
  const std::int64_t pairs = (task.count + 1) / 2;
  for (std::int64_t i = 0; i < pairs * kMatrixColumns; ++i) {
    if (rows_first) {
      sum_column(task, i / kMatrixColumns * 2, i % kMatrixColumns);
    } else {
      sum_column(task, i % pairs * 2, i / pairs);
    }
  }
}

/// Four tiles hold sums, by what their products count, and three the weights; one is left for the rows.
void multiply_digits(const DigitTask& task) {
  const Tiles tiles;
  Sums sums;
  const std::int64_t digit_bytes = task.panels * kMatrixFactors;
  for (std::int64_t first = 0; first < task.count; first += kMatrixRows) {
    const std::int8_t* const rows = task.rows + first * task.row_stride;
    const std::int64_t count = task.count - first < kMatrixRows ? task.count - first : kMatrixRows;
    const std::int8_t* panel = task.weights;
    for (std::int64_t column = 0; column < kBlock; column += kMatrixRows) {
      const std::int8_t* row = rows;
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (std::int64_t i = 0; i < task.panels; ++i, row += kRowBytes, panel += kMatrixPanel) {
        _tile_loadd(4, panel, kRowBytes);
        _tile_loadd(5, panel + kTileBytes, kRowBytes);
        _tile_loadd(6, panel + 2 * kTileBytes, kRowBytes);
        _tile_loadd(7, row + 2 * digit_bytes, task.row_stride);
        _tile_dpbssd(1, 7, 4);
        _tile_dpbssd(2, 7, 5);
        _tile_dpbssd(3, 7, 6);
        _tile_loadd(7, row + digit_bytes, task.row_stride);
        _tile_dpbssd(0, 7, 4);
        _tile_dpbssd(1, 7, 5);
        _tile_dpbssd(2, 7, 6);
        _tile_loadd(7, row, task.row_stride);
        _tile_dpbssd(0, 7, 5);
        _tile_dpbssd(1, 7, 6);
      }
      _tile_stored(0, sums.digits[0], kRowBytes);
      _tile_stored(1, sums.digits[1], kRowBytes);
      _tile_stored(2, sums.digits[2], kRowBytes);
      _tile_stored(3, sums.digits[3], kRowBytes);
      const Floats scale = load(task.column_scales + column) * 256.0F;
      for (std::int64_t r = 0; r < count; ++r) {
        store(task.results + (first + r) * task.result_stride + column,
              sums.row<4>(r) * scale * task.row_scales[first + r]);
      }
    }
  }
}

}  // namespace

const Kernels& kernels() {
  static const Kernels kernels = [] {
    Kernels own = avx512::kernels();
    own.sum_levels = &sum_levels;
    own.multiply_digits = &multiply_digits;
    return own;
  }();
  return kernels;
}

}  // namespace hire_snn::amx

#pragma GCC pop_options

namespace hire_snn::amx {

namespace {

constexpr long kGetSupported = 0x1021, kRequestPermission = 0x1023;  // of arch_prctl
constexpr long kTileData = 18;

}  // namespace

bool supported() {
  static const bool result = [] {
    constexpr unsigned kTile = 1U << 24, kInt8 = 1U << 25;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTile) == 0 || (d & kInt8) == 0) return false;
    std::uint64_t states = 0;
    return syscall(SYS_arch_prctl, kGetSupported, &states) == 0 && (states >> kTileData & 1) != 0;
  }();
  return result;
}

bool permitted() {
  static const bool result = supported() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return result;
}

}  // namespace hire_snn::amx

#else

namespace hire_snn::amx {
bool supported() { return false; }
bool permitted() { return false; }
const Kernels& kernels() { return baseline::kernels(); }
}  // namespace hire_snn::amx

#endif
