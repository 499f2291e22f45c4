#pragma once

// Weighted sums of a layer, forward (of levels) and backward (of gradients), on matrix units in half
// precision without its rounding: one factor or both are split into the sum of two half-precision numbers, 22
// bits together, and sums are float32.
//
//   forward   (high + low) * level                           a level is a half-precision number already
//   backward  high * high + low * high + high * low          what is left out is below 2^-22 of the product
//
// Matrix units truncate when they add. That is kept small by summing only one chunk of 64 factors there;
// chunks are added with correct rounding, in the order of taps and channels. So an output's bits depend on
// its row alone, not on the number of rows nor on the row's place among them.
//
// To a matrix instruction the weights are the left operand, 16 columns of the layer's output, and eight rows
// of its input the right one: four neighbouring factors of a row are one thread's, and come as they lie in
// memory.

namespace hire_snn::cuda {

constexpr int kStages = 3;  // panels of weights in shared memory, of which all but one are under way
constexpr int kSteps = kChunk / kFactors;                // matrix instructions along a chunk
constexpr int kWarpTiles = kColumnTiles / kColumnParts;  // of 16 columns, that one warp has
constexpr int kRowTiles = 4;                             // of eight rows, that one warp has

/// The sums of one thread of a warp: see multiply_accumulate().
using Sums = float[kWarpTiles][kRowTiles][4];

/// The weights of one matrix instruction.
struct WeightFragments {
  Quarter high[kWarpTiles];
  Quarter low[kWarpTiles];

  HIRE_SNN_DEVICE WeightFragments(const Quarter* panel, int s, int lane) {
    HIRE_SNN_UNROLL
    for (int tile = 0; tile < kWarpTiles; ++tile) {
      const Quarter* from = panel + (s * kColumnTiles + tile) * 2 * kWarp + lane;
      high[tile] = from[0];
      low[tile] = from[kWarp];
    }
  }
};

/// The rows whose factors a thread has, as places in the input: one of each row tile.
struct Rows {
  int first_source[kRowTiles];  // of the row's item
  int position[kRowTiles];      // -1 behind the last row

  HIRE_SNN_DEVICE Rows(const ProductParameters& p, int first) {
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) {
      const int row = first + 8 * i;
      first_source[i] = row / p.positions * p.source_pixels;
      position[i] = row < p.rows ? row % p.positions : -1;
    }
  }

  /// The chunk of the input that meets tap `tap` at row i: an index of chunks, or -1.
  HIRE_SNN_DEVICE int chunk(const ProductParameters& p, int i, int tap, int chunk) const {
    if (position[i] < 0) return -1;
    const int source = p.sources[tap * p.positions + position[i]];
    return source < 0 ? -1 : (first_source[i] + source) * p.chunks + chunk;
  }
};

/// Adds the products of all tiles. Instructions that add to the same sums wait for each other: they stand far
/// apart.
HIRE_SNN_DEVICE void multiply_tiles(Sums& sums, const Quarter (&a)[kWarpTiles],
                                    const Word (&b)[kRowTiles][2]) {
  HIRE_SNN_UNROLL
  for (int tile = 0; tile < kWarpTiles; ++tile) {
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) multiply_accumulate(sums[tile][i], a[tile].words, b[i]);
  }
}

/// Spikes, or means of four, as levels of four bits. A thread's factors of one chunk are those of two words:
/// member m has words 2m and 2m + 1, and instruction s takes levels j and j + 4 of word s / 2, for j = 2 (s %
/// 2) and the next. pack_panels() follows the same order.
template <bool split>
class LevelOperand {
 public:
  HIRE_SNN_DEVICE void fetch(const ProductParameters& p, const Rows& rows, int tap, int chunk, int member) {
    const auto* levels = static_cast<const LevelPair*>(p.input);
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) {
      const int at = rows.chunk(p, i, tap, chunk);
      next_[i] = at < 0 ? LevelPair{{0, 0}} : levels[static_cast<Offset>(at) * (kWordsPerChunk / 2) + member];
    }
  }

  /// Takes what was fetched. False if all of the warp's are zero: they add nothing.
  HIRE_SNN_DEVICE bool take(const ProductParameters&, int) {
    Word any = 0;
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) {
      current_[i] = next_[i];
      any |= current_[i].words[0] | current_[i].words[1];
    }
    return any_in_warp(any != 0);
  }

  HIRE_SNN_DEVICE void multiply(const ProductParameters& p, Sums& sums, const Quarter* panel, int s,
                                int lane) {
    // In half precision 0x6400 | k is 1024 + k: k times the scale is (1024 + k) * scale - 1024 * scale,
    // exactly.
    const Word scale = p.pooled ? 0x34003400u : 0x3C003C00u;
    const Word offset = p.pooled ? 0xDC00DC00u : 0xE400E400u;
    Word b[kRowTiles][2];
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) {
      HIRE_SNN_UNROLL
      for (int pair = 0; pair < 2; ++pair) {
        const Word levels = current_[i].words[s / 2] >> (4 * (2 * (s % 2) + pair)) & 0x000F000Fu;
        b[i][pair] = fused_halves(levels | 0x64006400u, scale, offset);
      }
    }
    const WeightFragments a(panel, s, lane);
    multiply_tiles(sums, a.high, b);
    if (split) multiply_tiles(sums, a.low, b);
  }

 private:
  LevelPair current_[kRowTiles];
  LevelPair next_[kRowTiles];
};

/// Split gradients: [chunk][instruction][member] fragments, the factors in the order of the channels.
template <bool split>
class GradientOperand {
 public:
  HIRE_SNN_DEVICE void fetch(const ProductParameters& p, const Rows& rows, int tap, int chunk, int) {
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) next_[i] = rows.chunk(p, i, tap, chunk);
  }

  HIRE_SNN_DEVICE bool take(const ProductParameters& p, int member) {
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) {
      // Zeros to load, for no branch and no blank registers.
      const Fragment* chunk =
          next_[i] < 0 ? p.zeros
                       : static_cast<const Fragment*>(p.input) + static_cast<Offset>(next_[i]) * (kChunk / 4);
      current_[i] = chunk + member;
      ahead_[i] = *current_[i];
    }
    return true;
  }

  HIRE_SNN_DEVICE void multiply(const ProductParameters&, Sums& sums, const Quarter* panel, int s, int lane) {
    Word high[kRowTiles][2], low[kRowTiles][2];
    HIRE_SNN_UNROLL
    for (int i = 0; i < kRowTiles; ++i) {
      const Fragment& from = ahead_[i];
      high[i][0] = from.high[0];
      high[i][1] = from.high[1];
      low[i][0] = from.low[0];
      low[i][1] = from.low[1];
      if (s + 1 < kSteps) ahead_[i] = current_[i][(s + 1) * 4];
    }
    const WeightFragments a(panel, s, lane);
    multiply_tiles(sums, a.high, high);
    if (split) {
      multiply_tiles(sums, a.low, high);
      multiply_tiles(sums, a.high, low);
    }
  }

 private:
  int next_[kRowTiles];
  const Fragment* current_[kRowTiles];
  Fragment ahead_[kRowTiles];  // what the next instruction takes
};

/// The largest value of the lanes whose numbers differ by multiples of `first`, a power of two.
HIRE_SNN_DEVICE Word largest_of_lanes(Word value, int first) {
  for (int mask = first; mask < kWarp; mask *= 2) {
    const Word other = shuffle_xor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

/// Scales the sums of one warp and puts them into the output.
/// @param first_row, first_column of the warp's part of the tile
HIRE_SNN_DEVICE void store_sums(const ProductParameters& p, const Sums& sums, int first_row, int first_column,
                                int lane) {
  if (first_row >= p.rows) return;
  const int width = p.column_blocks * kChunk;
  const int last_row = first_row + 8 * kRowTiles <= p.rows ? first_row + 8 * kRowTiles - 1 : p.rows - 1;
  const int image = first_row / p.rows_per_image;
  const bool one_image = image == last_row / p.rows_per_image;
  Word largest = 0;
  HIRE_SNN_UNROLL
  for (int i = 0; i < kRowTiles; ++i) {
    HIRE_SNN_UNROLL
    for (int j = 0; j < 2; ++j) {
      const int row = first_row + 8 * i + lane % 4 * 2 + j;
      const bool exists = row < p.rows;
      const int row_image = one_image || !exists ? image : row / p.rows_per_image;
      const float scale = p.image_scales ? p.image_scales[row_image] : 1.0f;
      Word of_row = 0;
      HIRE_SNN_UNROLL
      for (int tile = 0; tile < kWarpTiles; ++tile) {
        HIRE_SNN_UNROLL
        for (int half = 0; half < 2; ++half) {
          if (!exists) continue;
          const int column = first_column + tile * 16 + half * 8 + lane / 4;
          float* to = p.output + static_cast<Offset>(row) * width + column;
          float value = sums[tile][i][half * 2 + j] * p.column_scales[column] * scale;
          if (p.accumulate) value += *to;
          *to = value;
          // The bits of numbers from 0 up are in the order of the numbers, and those of NaN behind them: a
          // gradient that is none stays one.
          const Word bits = bits_of(value) & 0x7FFFFFFFu;
          of_row = bits > of_row ? bits : of_row;
        }
      }
      if (p.largest && !one_image) {
        // The lanes of one row first: atomic operations on one place wait for each other.
        const Word whole_row = largest_of_lanes(of_row, 4);
        if (exists && lane < 4) atomic_max(p.largest + row_image, whole_row);
      }
      largest = of_row > largest ? of_row : largest;
    }
  }
  if (!p.largest || !one_image) return;
  largest = largest_of_lanes(largest, 1);
  if (lane == 0) atomic_max(p.largest + image, largest);
}

/// Grid: [row tiles of a block][column blocks].
template <typename Operand>
HIRE_SNN_DEVICE void multiply_rows(const ProductParameters& p) {
  HIRE_SNN_SHARED(Quarter, panels, kStages * kPanel);
  const int thread = thread_index();
  const int warp = thread / kWarp;
  const int lane = thread % kWarp;
  const int member = lane % 4;
  const int first_row = block_x() * kTileRows + warp / kColumnParts * 8 * kRowTiles;
  const int first_tile = warp % kColumnParts * kWarpTiles;
  const int steps = p.taps * p.chunks;
  const Quarter* weights = p.weights + static_cast<Offset>(block_y()) * steps * kPanel;
  const Rows rows(p, first_row + lane / 4);

  const auto start_copy = [&](int step) {
    if (step < steps) {
      Quarter* to = panels + step % kStages * kPanel;
      const Quarter* from = weights + static_cast<Offset>(step) * kPanel;
      HIRE_SNN_UNROLL
      for (int i = 0; i < kPanel; i += kThreads) copy_async(to + thread + i, from + thread + i);
    }
    commit_copies();  // also an empty group, so that the number of groups says which step has arrived
  };
  for (int step = 0; step < kStages - 1; ++step) start_copy(step);

  Sums sums = {};
  Operand operand;
  operand.fetch(p, rows, 0, 0, member);
  int tap = 0;
  int chunk = 0;
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<kStages - 2>();
    sync_block();  // the panel has come for all, and the one that is overwritten next was read by all
    start_copy(step + kStages - 1);
    const bool active = operand.take(p, member);
    if (++chunk == p.chunks) {
      chunk = 0;
      ++tap;
    }
    if (step + 1 < steps) operand.fetch(p, rows, tap, chunk, member);
    if (!active) continue;
    Sums part = {};
    const Quarter* panel = panels + step % kStages * kPanel + first_tile * 2 * kWarp;
    HIRE_SNN_UNROLL
    for (int s = 0; s < kSteps; ++s) operand.multiply(p, part, panel, s, lane);
    HIRE_SNN_UNROLL
    for (int tile = 0; tile < kWarpTiles; ++tile) {
      HIRE_SNN_UNROLL
      for (int i = 0; i < kRowTiles; ++i) {
        HIRE_SNN_UNROLL
        for (int j = 0; j < 4; ++j) sums[tile][i][j] += part[tile][i][j];
      }
    }
  }
  store_sums(p, sums, first_row, block_y() * kChunk + first_tile * 16, lane);
}

}  // namespace hire_snn::cuda
