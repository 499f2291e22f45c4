#pragma once

// Weighted sums of a layer, forward (of levels) and backward (of gradients), on matrix units in half precision
// without its rounding: one factor or both are split into the sum of two half-precision numbers, 22 bits together,
// and sums are float32.
//
//   forward   level * (high + low)                           a level is a half-precision number already
//   backward  high * high + high * low + low * high          what is left out is below 2^-22 of the product
//
// Matrix units truncate when they add. That is kept small by summing only one chunk of 64 factors there; chunks are
// added with correct rounding, in the order of taps and channels. So an output's bits depend on its row alone, not on
// the number of rows nor on the row's place among them.

namespace hire_snn::cuda {

constexpr int kStages = 3;              // panels of weights in shared memory, of which all but one are under way
constexpr int kSteps = kChunk / kFactors;  // matrix instructions along a chunk
constexpr int kGroups = kChunk / kColumns;
constexpr int kThreadRows = 4;  // rows of one thread: group, + 8, + 16, + 24

/// The rows of a tile that a thread takes part in, as places in the input.
struct Rows {
  Offset item[kThreadRows];
  int position[kThreadRows];  // -1 behind the last row

  HIRE_SNN_DEVICE Rows(const ProductParameters& p, int first) {
HIRE_SNN_UNROLL
    for (int i = 0; i < kThreadRows; ++i) {
      const int row = first + 8 * i;
      item[i] = row / p.positions;
      position[i] = row < p.rows ? row % p.positions : -1;
    }
  }

  /// The chunk of the input that meets tap `tap` at row i: an index of chunks, or -1.
  HIRE_SNN_DEVICE Offset chunk(const ProductParameters& p, int i, int tap, int chunk) const {
    if (position[i] < 0) return -1;
    const int source = p.sources[tap * p.positions + position[i]];
    return source < 0 ? -1 : (item[i] * p.source_pixels + source) * p.chunks + chunk;
  }
};

/// Spikes, or means of four, as levels of four bits. A thread's factors of one chunk are those of two words: member
/// m has words 2m and 2m + 1, and instruction s takes levels j and j + 4 of word s / 2, for j = 2 (s % 2) and the
/// next. pack_weights() follows the same order.
template <bool split>
class LevelOperand {
 public:
  HIRE_SNN_DEVICE explicit LevelOperand(const ProductParameters& p)
      // In half precision 0x6400 | k is 1024 + k: k times the scale is (1024 + k) * scale - 1024 * scale, exactly.
      : factor_(p.pooled ? 0x34003400u : 0x3C003C00u), offset_(p.pooled ? 0xDC00DC00u : 0xE400E400u) {}

  HIRE_SNN_DEVICE void fetch(const ProductParameters& p, const Rows& rows, int tap, int chunk, int member) {
    const auto* levels = static_cast<const LevelPair*>(p.input);
HIRE_SNN_UNROLL
    for (int i = 0; i < kThreadRows; ++i) {
      const Offset at = rows.chunk(p, i, tap, chunk);
      next_[i] = at < 0 ? LevelPair{{0, 0}} : levels[at * (kWordsPerChunk / 2) + member];
    }
  }

  /// Takes what was fetched. False if all of the warp's are zero: they add nothing.
  HIRE_SNN_DEVICE bool take() {
    Word any = 0;
HIRE_SNN_UNROLL
    for (int i = 0; i < kThreadRows; ++i) {
      current_[i] = next_[i];
      any |= current_[i].words[0] | current_[i].words[1];
    }
    return any_in_warp(any != 0);
  }

  HIRE_SNN_DEVICE void multiply(float (&sum)[2][kGroups][4], const Fragment* panel, int s, int lane) const {
    Word a[2][4];
HIRE_SNN_UNROLL
    for (int half = 0; half < 2; ++half) {
HIRE_SNN_UNROLL
      for (int pair = 0; pair < 2; ++pair) {
        a[half][2 * pair] = halves(current_[2 * half].words[s / 2], 2 * (s % 2) + pair);
        a[half][2 * pair + 1] = halves(current_[2 * half + 1].words[s / 2], 2 * (s % 2) + pair);
      }
    }
HIRE_SNN_UNROLL
    for (int group = 0; group < kGroups; ++group) {
      const Fragment b = panel[(s * kGroups + group) * kWarp + lane];
HIRE_SNN_UNROLL
      for (int half = 0; half < 2; ++half) {
        multiply_accumulate(sum[half][group], a[half], b.high);
        if (split) multiply_accumulate(sum[half][group], a[half], b.low);
      }
    }
  }

 private:
  HIRE_SNN_DEVICE Word halves(Word levels, int j) const {
    return fused_halves(((levels >> (4 * j)) & 0x000F000Fu) | 0x64006400u, factor_, offset_);
  }

  Word factor_;
  Word offset_;
  LevelPair current_[kThreadRows];
  LevelPair next_[kThreadRows];
};

/// Split gradients: [chunk][instruction][member] fragments, the factors in the order of the channels.
template <bool split>
class GradientOperand {
 public:
  HIRE_SNN_DEVICE explicit GradientOperand(const ProductParameters&) {}

  HIRE_SNN_DEVICE void fetch(const ProductParameters& p, const Rows& rows, int tap, int chunk, int member) {
HIRE_SNN_UNROLL
    for (int i = 0; i < kThreadRows; ++i) {
      const Offset at = rows.chunk(p, i, tap, chunk);
      next_[i] = at < 0 ? nullptr : static_cast<const Fragment*>(p.input) + at * (kChunk / 4) + member;
    }
  }

  HIRE_SNN_DEVICE bool take() {
HIRE_SNN_UNROLL
    for (int i = 0; i < kThreadRows; ++i) {
      current_[i] = next_[i];
      ahead_[i] = load(i, 0);
    }
    return true;
  }

  HIRE_SNN_DEVICE void multiply(float (&sum)[2][kGroups][4], const Fragment* panel, int s, int lane) {
    Word high[2][4], low[2][4];
HIRE_SNN_UNROLL
    for (int i = 0; i < kThreadRows; ++i) {
HIRE_SNN_UNROLL
      for (int pair = 0; pair < 2; ++pair) {
        high[i / 2][2 * pair + i % 2] = ahead_[i].high[pair];
        low[i / 2][2 * pair + i % 2] = ahead_[i].low[pair];
      }
    }
    if (s + 1 < kSteps) {
HIRE_SNN_UNROLL
      for (int i = 0; i < kThreadRows; ++i) ahead_[i] = load(i, s + 1);
    }
HIRE_SNN_UNROLL
    for (int group = 0; group < kGroups; ++group) {
      const Fragment b = panel[(s * kGroups + group) * kWarp + lane];
HIRE_SNN_UNROLL
      for (int half = 0; half < 2; ++half) {
        multiply_accumulate(sum[half][group], high[half], b.high);
        if (split) {
          multiply_accumulate(sum[half][group], high[half], b.low);
          multiply_accumulate(sum[half][group], low[half], b.high);
        }
      }
    }
  }

 private:
  HIRE_SNN_DEVICE Fragment load(int i, int s) const {
    return current_[i] == nullptr ? Fragment{{0, 0}, {0, 0}} : current_[i][s * 4];
  }

  const Fragment* current_[kThreadRows];
  const Fragment* next_[kThreadRows];
  Fragment ahead_[kThreadRows];
};

/// Grid: [row tiles][column blocks].
template <typename Operand>
HIRE_SNN_DEVICE void multiply_rows(const ProductParameters& p) {
  HIRE_SNN_SHARED(Fragment, panels, kStages * kPanel);
  const int thread = thread_index();
  const int lane = thread % kWarp;
  const int member = lane % 4;
  const int first = block_x() * kTileRows + thread / kWarp * 32 + lane / 4;
  const int steps = p.taps * p.chunks;
  const Fragment* weights = p.weights + static_cast<Offset>(block_y()) * steps * kPanel;
  const Rows rows(p, first);

  const auto start_copy = [&](int step) {
    if (step < steps) {
      Fragment* to = panels + step % kStages * kPanel;
      const Fragment* from = weights + static_cast<Offset>(step) * kPanel;
      for (int i = thread; i < kPanel; i += kThreads) copy_async(to + i, from + i);
    }
    commit_copies();  // also an empty group, so that the number of groups says which step has arrived
  };
  for (int step = 0; step < kStages - 1; ++step) start_copy(step);

  float sum[2][kGroups][4] = {};
  Operand operand(p);
  operand.fetch(p, rows, 0, 0, member);
  int tap = 0;
  int chunk = 0;
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<kStages - 2>();
    sync_block();  // the panel has come for all, and the one that is overwritten next was read by all
    start_copy(step + kStages - 1);
    const bool active = operand.take();
    if (++chunk == p.chunks) {
      chunk = 0;
      ++tap;
    }
    if (step + 1 < steps) operand.fetch(p, rows, tap, chunk, member);
    if (!active) continue;
    float part[2][kGroups][4] = {};
    const Fragment* panel = panels + step % kStages * kPanel;
HIRE_SNN_UNROLL
    for (int s = 0; s < kSteps; ++s) operand.multiply(part, panel, s, lane);
HIRE_SNN_UNROLL
    for (int half = 0; half < 2; ++half) {
HIRE_SNN_UNROLL
      for (int group = 0; group < kGroups; ++group) {
HIRE_SNN_UNROLL
        for (int i = 0; i < 4; ++i) sum[half][group][i] += part[half][group][i];
      }
    }
  }

  const int width = p.column_blocks * kChunk;
HIRE_SNN_UNROLL
  for (int i = 0; i < kThreadRows; ++i) {
    const int row = first + 8 * i;
    const bool exists = row < p.rows;
    const int image = exists ? row / p.rows_per_image : 0;
    const float scale = exists && p.image_scales ? p.image_scales[image] : 1.0f;
    float largest = 0;
    if (exists) {
HIRE_SNN_UNROLL
      for (int group = 0; group < kGroups; ++group) {
        const int column = block_y() * kChunk + group * kColumns + member * 2;
        float* to = p.output + static_cast<Offset>(row) * width + column;
HIRE_SNN_UNROLL
        for (int j = 0; j < 2; ++j) {
          float value = sum[i / 2][group][i % 2 * 2 + j] * p.column_scales[column + j] * scale;
          if (p.accumulate) value += to[j];
          to[j] = value;
          // Not a maximum that drops NaN: a gradient that is none has to stay one.
          const float size = value < 0 ? -value : value;
          largest = size <= largest ? largest : size;
        }
      }
    }
    if (p.largest) {
      // Bits of numbers from 0 up are in the order of the numbers, and those of NaN are behind them.
      Word bits = bits_of(largest);
      for (int mask = 1; mask < 4; mask *= 2) {
        const Word other = shuffle_xor(bits, mask);
        bits = other > bits ? other : bits;
      }
      if (exists && member == 0) atomic_max(p.largest + image, bits);
    }
  }
}

}  // namespace hire_snn::cuda
