#pragma once

// What the host hands to each kernel, as one structure by value. Read by CUDA's run-time compiler: no
// standard library. See docs/engine.md, "The CUDA engine", for the layouts.
namespace hire_snn::cuda {

using Word = unsigned int;
using Offset = long long;

constexpr int kWarp = 32;
/// Threads of a block, for every kernel.
constexpr int kThreads = 256;
/// Channels of a chunk: layers are padded to whole ones.
constexpr int kChunk = 64;
/// Channels in a word of levels, four bits each.
constexpr int kLevelsPerWord = 8;
constexpr int kWordsPerChunk = kChunk / kLevelsPerWord;
/// Factors of one matrix instruction, and tiles of 16 columns in a chunk of them.
constexpr int kFactors = 16;
constexpr int kColumnTiles = kChunk / 16;
/// A block's tile of products: kTileRows rows by kChunk columns. A warp has 32 rows and half of the columns.
constexpr int kColumnParts = 2;
constexpr int kTileRows = kThreads / kWarp / kColumnParts * 32;
/// A chunk of factors for a block of 64 columns, in quarters: [instruction][column tile][high or low][lane].
constexpr int kPanel = kChunk / kFactors * kColumnTiles * 2 * kWarp;

/// Eight weights of one thread of a matrix instruction, in pairs of half-precision numbers: those of column
/// lane / 4 and of the column eight on for its first two factors, then the same for its last two.
struct alignas(16) Quarter {
  Word words[4];
};

/// Four gradients, each as the sum of two half-precision numbers, in pairs.
struct alignas(16) Fragment {
  Word high[2];
  Word low[2];
};

struct alignas(8) LevelPair {
  Word words[2];
};

/// Products of rows by weights over the taps of a layer; see products.h.
struct ProductParameters {
  const void* input;           ///< levels, or split gradients: [item][source pixel][chunk]
  const Fragment* zeros;       ///< a chunk of them; of gradients only
  const Quarter* weights;      ///< [column block][tap][chunk][kPanel]
  const float* column_scales;  ///< [column]: powers of two
  const float* image_scales;   ///< [image]: powers of two; of gradients only
  const int* sources;          ///< [tap][position]: the source pixel, -1 for none
  float* output;               ///< [item][position][column]
  Word* largest;               ///< [image]: raised to the bits of the largest |output|; may be null
  int rows;                    ///< items x positions; an item is an image at a time step
  int rows_per_image;
  int positions;
  int source_pixels;
  int taps;
  int chunks;
  int column_blocks;
  bool accumulate;  ///< add to what the output holds
  bool pooled;      ///< levels are quarters
};

/// The neurons of one stage over all time steps.
struct FireParameters {
  const float* currents;  ///< [image][timestep][pixel][channel]; without the time step where constant
  float* membranes;       ///< [image][timestep][pixel][channel], may be the currents' memory; null: not kept
  Word* levels;           ///< [image][timestep][pixel][word]
  int* counts;            ///< [image][timestep], raised by the number of spikes
  int timesteps;
  int pixels;
  int channels;  ///< with padding
  bool constant;
  float threshold;
  float leak;
  float least_firing;
};

/// The 2x2 means of spikes, as levels of a quarter.
struct PoolParameters {
  const Word* levels;  ///< [item][height][width][word]
  Word* means;         ///< [item][height / 2][width / 2][word]
  int* counts;         ///< [item], raised by the number of means that are not zero
  int items;
  int width;
  int height;
  int words;
};

/// The output pixels that the spikes of one synapse reach, or their means: Evaluation::reached.
struct ReachParameters {
  const Word* levels;  ///< [image][timestep][pixel][word]
  const int* reach;    ///< [pixel]
  Offset* reached;     ///< [image][2], raised
  int timesteps;
  int pixels;
  int words;
};

/// The weighted pixels of the first stage.
struct ImageCurrentsParameters {
  const float* images;   ///< [image][channel][pixel], normalised
  const float* weights;  ///< [tap][channel][column]
  const int* sources;    ///< [tap][output pixel]
  float* currents;       ///< [image][output pixel][column]
  int input_pixels;
  int output_pixels;
  int channels;
  int taps;
  int columns;
};

/// Logits, and with labels the cross-entropy and its gradient.
struct LogitsParameters {
  const float* sums;    ///< [image][timestep][column]
  const int* labels;    ///< [image]; null: logits only
  float* logits;        ///< [image][class]
  float* losses;        ///< [image]
  Fragment* gradient;   ///< [image][column]: split
  float* image_scales;  ///< [image]: what undoes the gradient's scale
  int images;
  int timesteps;
  int classes;
  int columns;
};

/// A stage's output is read as spikes or as means, or as both where a shortcut starts.
constexpr int kContributions = 2;

/// A gradient by the output of a stage.
struct Contribution {
  const float* values;  ///< [image][timestep][pixel][channel]; without the time step where constant
  const Word* largest;  ///< [image]: bits of a bound of |values|
  bool pooled;          ///< by the 2x2 means
  bool constant;
};

/// The gradient by the currents of one stage.
struct NeuronGradientParameters {
  float* membranes;  ///< [image][timestep][pixel][channel]; overwritten by the split gradients
  float* time_sums;  ///< [image][pixel][channel]: instead of those, their sum over time; may be null
  Contribution contributions[kContributions];
  int contribution_count;
  float* image_scales;  ///< [image]: what undoes the scale of the split gradients
  int timesteps;
  int width;
  int height;
  int channels;
  float threshold;
  float leak;
  float a;
  float gain;  ///< a bound of |gradient by the current| over that of |gradient by the spikes|
};

/// The gradient by the pixels.
struct ImageGradientParameters {
  const float* time_sums;  ///< [image][output pixel][column]
  const float* weights;    ///< [tap][channel][column]
  const float* std;        ///< [channel]
  const int* targets;      ///< [tap][input pixel]: the output pixel, -1 for none
  float* gradient;         ///< [image][channel][input pixel]
  int images;
  int input_pixels;
  int output_pixels;
  int channels;
  int taps;
  int columns;
};

}  // namespace hire_snn::cuda
