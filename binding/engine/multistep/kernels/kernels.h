#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/surrogate.h"
#include "engine/update_rule.h"

namespace hire_snn {

/// Channels that are computed together and lie side by side in memory; a network's channels are padded to a
/// multiple with neurons that have no weights.
constexpr std::int64_t kBlock = 64;

/// Input channels whose weights into one block of outputs (32 KB) stay in the first-level cache.
constexpr std::int64_t kChunk = 128;

/// A list's entry of a pooled input. Eight bytes, because nothing has to be worked out of them: entries of
/// two bytes cost a seventh more time.
struct MeanEvent {
  std::uint32_t row;  ///< the channel in its chunk times kBlock: where its weights begin
  float mean;         ///< of the four neurons: 1/4, 2/4, 3/4 or 1
};

/// Time steps are taken in pairs, whose active inputs are in three lists: those that are the same at both,
/// and those of the first and of the second alone. A neuron that fires often is thus added once for two
/// steps.
constexpr int kPairLists = 3;
inline std::int64_t step_pairs(std::int64_t timesteps) { return (timesteps + 1) / 2; }

inline std::int64_t blocks(std::int64_t channels) { return (channels + kBlock - 1) / kBlock; }
inline std::int64_t chunks(std::int64_t channels) { return (channels + kChunk - 1) / kChunk; }

/// Adds the weights of the active inputs to the sums of one block of outputs, for the outputs from `first` up
/// to and not including `last` of [image][output pixel].
struct EventTask {
  float* sums;  ///< [last - first][timesteps][kBlock]
  std::int64_t first;
  std::int64_t last;
  std::int64_t output_pixels;
  std::int64_t input_pixels;
  std::int64_t timesteps;
  std::int64_t input_channels;  ///< padded to blocks
  std::int64_t taps;
  const std::int32_t* inputs;  ///< [tap][output pixel]: the input pixel, or -1
  const std::uint32_t*
      offsets;  ///< per image [chunk][input pixel][pair][list] and one more: where a list begins
  std::int64_t offsets_per_image;
  const void* entries;  ///< std::uint8_t channels in their chunk, or MeanEvent
  std::int64_t entries_per_image;
  const float* weights;  ///< [tap][input channel][kBlock]
};

/// The same for inputs that are dense: images.
struct ImageTask {
  float* sums;  ///< [last - first][kBlock], overwritten
  std::int64_t first;
  std::int64_t last;
  std::int64_t output_pixels;
  std::int64_t input_pixels;
  std::int64_t input_channels;  ///< not padded
  std::int64_t taps;
  const std::int32_t* inputs;  ///< [tap][output pixel]: the input pixel, or -1
  const float* images;         ///< [image][input pixel][input channel]
  const float* weights;        ///< [tap][input channel][kBlock]
};

/// Carries a block of neurons through all time steps. See SpikingNetwork for the formulas.
struct FireTask {
  const float* currents;
  std::int64_t current_stride;  ///< from one time step to the next; 0 for a constant current
  float* membrane;              ///< [timesteps][kBlock] before firing, may be `currents`; null if not wanted
  std::uint64_t* spikes;        ///< one word for each time step
  std::int64_t spike_stride;
  std::int64_t timesteps;
  float threshold;
  float leak;
  float least_firing;  ///< the smallest membrane that fires
};

/// Turns the gradient by the spikes of a block of neurons into that by their currents.
struct NeuronBackwardTask {
  float* membrane;        ///< [timesteps][kBlock]; overwritten by the result
  const float* gradient;  ///< [timesteps][kBlock]
  float gradient_scale;   ///< a power of two; of neuron_training, behind dropout, any
  std::int64_t timesteps;
  float threshold;
  float leak;
  float a;  ///< of the surrogate
  SurrogateScale scale;
  float least_firing;   ///< of neuron_training: the smallest membrane that fires
  std::uint64_t kept;   ///< of neuron_training: a bit for each neuron that dropout keeps
  double* scalar_sums;  ///< of neuron_training: the gradients by threshold and leak, overwritten
};

/// Adds the gradients by the currents of one block of outputs to those by the weights from their active
/// inputs in one chunk, at the taps from `first_tap` up to and not including `last_tap`.
struct WeightGradientTask {
  float* weights;           ///< [tap from first_tap on][input channel of the chunk][kBlock]
  std::int64_t tap_stride;  ///< floats from one tap to the next
  const float* gradients;   ///< [image][output pixel][timestep][kBlock]
  float scale;              ///< of the inputs
  std::int64_t chunk;
  std::int64_t first_tap;
  std::int64_t last_tap;
  EventTask inputs;  ///< without sums and weights
};

/// The same for the first layer, whose inputs are images: of one image, at one tap.
struct ImageWeightGradientTask {
  float* weights;          ///< [input channel][kBlock]
  const float* gradients;  ///< [output pixel][kBlock], summed over time
  std::int64_t output_pixels;
  std::int64_t input_channels;
  const std::int32_t* inputs;  ///< [output pixel]: the input pixel, or -1
  const float* image;          ///< [input pixel][input channel]
};

/// The gradient by one pixel of an image.
struct ImageGradientTask {
  float* gradient;  ///< [input channel], overwritten
  std::int64_t input_channels;
  std::int64_t taps;
  const std::int32_t* outputs;  ///< for each tap the output pixel, `output_stride` apart, or -1
  std::int64_t output_stride;
  const float* sums;  ///< of the gradients by the currents over time: [block][...][output pixel][kBlock]
  std::int64_t sums_per_block;
  std::int64_t output_blocks;
  const float* weights;  ///< [block][tap][padded input channel][kBlock]
  std::int64_t weights_per_block;
  std::int64_t weights_per_tap;
};

/// Changes rows of weights by their gradients.
struct UpdateTask {
  UpdateRule rule;
  float* weights;            ///< [count][kBlock]
  const float* gradients;    ///< [count][kBlock]
  float* moments[kMoments];  ///< [count][kBlock] each, or null
  std::int64_t count;        ///< of the rows
};

/// A factor of a sparse row.
struct Factor {
  std::uint32_t row;  ///< its place times kBlock: where what it is multiplied with begins
  float value;
};

/// Products of sparse rows of kBlock factors with one or two blocks of columns: those of multiply_rows(),
/// from which factors of zero are left out.
struct FactorTask {
  const Factor* factors;
  const std::uint32_t* offsets;  ///< [count] and one more: where a row's factors begin
  std::int64_t count;            ///< of the rows
  float* const* results;         ///< [count]: kBlock sums that are added to
  std::int64_t result_stride;    ///< floats from those of one block of columns to those of the next
  const float* columns;          ///< [column_blocks][kBlock factors][kBlock]
  std::int64_t column_blocks;    ///< at most kChunk / kBlock
};

/// Rows that multiply_rows() takes at most.
constexpr int kRows = 6;

/// Rows, and columns, of what a matrix unit multiplies at once, and how many factors it sums.
constexpr std::int64_t kMatrixRows = 16;
constexpr std::int64_t kMatrixFactors = 64;

/// Numbers in fixed point are written as three digits to the base of 256, each between -128 and 127, the
/// lowest first. The largest of those that share a power of two has 22 or 23 bits and a sign.
constexpr int kDigits = 3;

/// Columns of kMatrixRows outputs in a block.
constexpr std::int64_t kMatrixColumns = kBlock / kMatrixRows;

/// Bytes of the weights of kMatrixFactors factors and kMatrixRows outputs: [digit][factor / 4][output][factor
/// % 4].
constexpr std::int64_t kMatrixPanel = kDigits * kMatrixFactors * kMatrixRows;

/// Turns spikes of one pixel, or of the four behind a pool, into bytes: how many fired.
struct SpikeTask {
  const std::uint64_t* sources[4];  ///< [timestep][word] of each neuron's pixel
  int source_count;                 ///< 1 or 4
  std::int64_t timesteps;
  std::int64_t words;       ///< of 64 channels
  std::uint8_t* levels;     ///< [timestep][channel]
  std::int64_t step_bytes;  ///< from one time step to the next
  std::int32_t* active;     ///< [timestep]: the number of bytes that are not zero is added
};

/// What a SpikeTask found, over all time steps.
struct SpikeCounts {
  std::int64_t active;  ///< bytes that are not zero
  std::int64_t fired;   ///< neurons
};

/// Sums of one block of outputs over inputs that are small whole numbers (spikes, or how many of a pool's
/// four neurons fired), with weights in fixed point. Rows come in tiles of kMatrixRows, whose inputs lie
/// `row_stride` bytes apart; what lies behind a tile's last row is read as well, and must be there.
struct LevelTask {
  const std::uint8_t* const* tiles;  ///< where the first row of each tile has its first inputs
  float* const* sums;                ///< [tile][kMatrixRows]: where a row's sums go, or null
  std::int64_t count;                ///< of the tiles
  std::int64_t row_stride;           ///< bytes
  const std::int64_t* taps;          ///< how many bytes further a tap's inputs lie
  std::int64_t tap_count;
  std::int64_t panels;         ///< of kMatrixFactors inputs, at each tap
  const std::int8_t* weights;  ///< [kMatrixColumns][tap][panel][kMatrixPanel]
  const float* scales;         ///< [kBlock]: what a weight's lowest digit counts, a power of two
  float unit;                  ///< what an input of 1 counts
};

/// Products of rows and one block of columns, both in fixed point. Of the nine products of digits the six
/// that matter are computed. What lies behind the last row is read as well, up to a multiple of kMatrixRows
/// rows.
struct DigitTask {
  const std::int8_t* rows;  ///< [row][digit][panel][kMatrixFactors], `row_stride` bytes apart
  std::int64_t row_stride;  ///< bytes
  const float* row_scales;  ///< what a row's lowest digit counts, a power of two
  std::int64_t count;       ///< of the rows
  std::int64_t panels;
  const std::int8_t* weights;  ///< [kMatrixColumns][panel][kMatrixPanel]
  const float* column_scales;  ///< [kBlock]
  float* results;              ///< [row][kBlock], `result_stride` floats apart
  std::int64_t result_stride;
};

/// Winograd's F(4x4, 3x3): tiles of 4x4 outputs from patches of 6x6 inputs, multiplied at 36 positions.
/// Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
constexpr int kTile = 4;
constexpr int kPatch = 6;
constexpr int kPositions = kPatch * kPatch;

/// The arithmetic of the multi-step engine for one instruction set. All are compiled from kernels.inl and sum
/// in the same order. The neurons round after every operation; the products are fused with the sums where the
/// machine can.
struct Kernels {
  void (*accumulate_spikes)(const EventTask&);
  void (*accumulate_means)(const EventTask&);
  void (*weigh_images)(const ImageTask&);
  void (*fire)(const FireTask&);
  /// By SurrogateShape. Returns the first time step at which some neuron's surrogate derivative is not zero,
  /// or `timesteps`: before it, the result only decays by the leak from step to step.
  std::int64_t (*neuron_backward[kSurrogateShapes])(const NeuronBackwardTask&);
  /// The same with the gradients by threshold and leak.
  std::int64_t (*neuron_training[kSurrogateShapes])(const NeuronBackwardTask&);
  void (*image_gradient)(const ImageGradientTask&);
  void (*spike_weight_gradient)(const WeightGradientTask&);
  void (*mean_weight_gradient)(const WeightGradientTask&);
  void (*image_weight_gradient)(const ImageWeightGradientTask&);
  /// Returns the sum of the squares of the gradients.
  double (*update_weights)(const UpdateTask&);
  /// c[r][0..kBlock) (+)= sum over k of a[r][k] * b[k][0..kBlock), for r < rows <= kRows
  void (*multiply_rows)(const float* const* a, float* const* c, const float* b, std::int64_t k, int rows,
                        bool accumulate);
  void (*multiply_factors)(const FactorTask&);
  SpikeCounts (*read_levels)(const SpikeTask&);
  /// Sums of whole numbers, which are exact; those of the three digits are then added in float32. The same
  /// bits on every machine.
  void (*sum_levels)(const LevelTask&);
  /// Writes `count` values, a multiple of kMatrixFactors, as digits of the power of two that is returned: 0
  /// if all are zero.
  float (*split_row)(const float* values, std::int64_t count, std::int8_t* digits);
  /// Also the same bits on every machine.
  void (*multiply_digits)(const DigitTask&);
  /// [kBlock][kBlock] -> its transpose
  void (*transpose_block)(const float* in, float* out);
  /// B^T d B of kBlock channels. patch: kPositions pointers to kBlock values, `offset` floats further on;
  /// result: kBlock values at each position, `stride` floats apart
  void (*winograd_input)(const float* const* patch, std::int64_t offset, float* result, std::int64_t stride);
  /// A^T m A of kBlock channels, of kPositions values `stride` apart to kTile^2 values `result_stride` apart
  void (*winograd_output)(const float* products, std::int64_t stride, float* result,
                          std::int64_t result_stride);
};

enum class InstructionSet { kBaseline, kAvx2, kAvx512, kAmx };

/// "baseline", "avx2", "avx512", "amx"
std::string_view name_of(InstructionSet set);
std::optional<InstructionSet> instruction_set(std::string_view name);

/// Whether sum_levels() and multiply_digits() are the fastest way.
bool has_matrix_units(InstructionSet set);

/// What this machine runs, the slowest first.
std::vector<InstructionSet> supported_instruction_sets();

/// The fastest that the process may use: the system can refuse it the memory of AMX.
InstructionSet best_instruction_set();

/// Throws CodedError INVALID_ARGUMENT for a set that this machine does not run, or the process may not use.
const Kernels& kernels_for(InstructionSet set);

}  // namespace hire_snn
