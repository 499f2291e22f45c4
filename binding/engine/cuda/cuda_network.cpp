#include "cuda_network.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>

#include "engine/error.h"
#include "engine/per_channel.h"
#include "engine/stage_graph.h"
#include "packed_panels.h"

namespace hire_snn::cuda {
namespace {

/// Images that are computed together at most, and what their membranes may take. A sample's bits do not
/// depend on it.
constexpr std::int64_t kMicroBatch = 256;
constexpr std::int64_t kMembraneBytes = std::int64_t{4} << 30;

int ceiling(std::int64_t count, std::int64_t per) { return static_cast<int>((count + per - 1) / per); }
std::int64_t padded(std::int64_t channels) { return chunks_of(channels) * kChunk; }
std::int64_t pixels(const Shape& shape) { return shape[1] * shape[2]; }
/// Numbers of one map in the memory of the device.
std::int64_t padded_elements(const Shape& shape) { return padded(shape[0]) * pixels(shape); }

Word* words(const at::Tensor& tensor) { return reinterpret_cast<Word*>(tensor.data_ptr<int>()); }
Quarter* quarters(const at::Tensor& tensor) { return reinterpret_cast<Quarter*>(tensor.data_ptr()); }
Fragment* fragments(const at::Tensor& tensor) { return reinterpret_cast<Fragment*>(tensor.data_ptr()); }

Grid grid_of(const ProductParameters& products) {
  return {ceiling(products.rows, kTileRows), products.column_blocks};
}

/// One direction of a synapse.
struct Products {
  PackedPanels weights;
  at::Tensor sources;  // int32, [tap][position]
  int positions;
  int source_pixels;
};

struct Synapse {
  std::size_t source;
  bool pooled;
  Shape input;
  Products forward;
  Products backward;
  std::optional<std::size_t> counted;  // index among NetworkPlan::counted_synapses()
  at::Tensor reach;                    // int32, [pixel of the input]
};

struct Stage {
  StagePlan plan;  // without weights
  std::vector<Synapse> synapses;
};

/// The first stage's connections to the pixels.
struct ImageWeights {
  at::Tensor weights;
  at::Tensor sources;
  at::Tensor targets;
  int taps;
};

/// What a stage gives to its neighbours in a pass.
struct StageState {
  at::Tensor membranes;  // [image][timestep][pixel][channel]
  at::Tensor levels;     // int32, [image][timestep][pixel][word]
  at::Tensor means;      // the same behind the pool
};

/// A gradient by a stage's spikes or by their means.
struct Gradient {
  at::Tensor values;  // [image][timestep][pixel][channel], or without the time step
  Word* largest = nullptr;
  bool constant = false;
};

struct Pass {
  std::int64_t images;
  at::Tensor pixels;   // [image][channel][pixel], normalised
  at::Tensor counts;   // int32, [counted layer][image][timestep]
  at::Tensor reached;  // int64, [counted synapse][image][2]
  at::Tensor sums;     // of the output layer: [image][timestep][column]
  at::Tensor logits;   // [image][class]
  std::vector<StageState> stages;
};

class CudaNetwork final : public SpikingNetwork {
 public:
  CudaNetwork(NetworkPlan plan, std::unique_ptr<Device> device);

  std::string kernels() const override { return "cuda " + device_->name(); }
  std::vector<LayerProfile> profile() const override;
  std::int64_t weight_bytes() const override;

 private:
  void do_evaluate(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                   Evaluation& result) const override;
  void do_input_gradient(const at::Tensor& images, const Draws& draws, const at::Tensor& labels,
                         const Cancellation& cancellation, LossGradient& result) const override;
  void do_trace(const at::Tensor& images, const Draws& draws, const Cancellation& cancellation,
                std::vector<LayerTrace>& traces) const override;
  void do_trace_layer(std::size_t layer, const at::Tensor& input, const at::Tensor& shortcut,
                      const Cancellation& cancellation, LayerTrace& trace) const override;

  at::Tensor on_device(const at::Tensor& tensor) const { return tensor.to(device_->device()).contiguous(); }
  at::Tensor table(const std::vector<std::int32_t>& values) const;
  at::Tensor floats(at::IntArrayRef shape) const;
  at::Tensor integers(at::IntArrayRef shape, bool zero) const;
  Synapse synapse_of(SynapsePlan& plan, const StagePlan& stage) const;

  template <typename Work>
  void for_each_micro_batch(std::int64_t images, const Work& work) const;

  Pass start(const at::Tensor& images) const;
  void forward(Pass& pass, bool keep, const Cancellation& cancellation) const;
  void image_currents(const at::Tensor& images, const at::Tensor& currents) const;
  ProductParameters parameters_of(const Products& products, const void* input, std::int64_t items,
                                  const at::Tensor& output, bool accumulate) const;
  void sum(const Products& products, const void* input, bool pooled, std::int64_t items,
           const at::Tensor& output, bool accumulate) const;
  void fire(std::size_t stage, Pass& pass, const at::Tensor& currents, bool keep) const;
  void count_reached(const Synapse& synapse, Pass& pass) const;
  void read_logits(Pass& pass, LogitsParameters parameters) const;
  at::Tensor backward(Pass& pass, const at::Tensor& labels, at::Tensor& losses,
                      const Cancellation& cancellation) const;

  at::Tensor unpacked_levels(const at::Tensor& levels, const Shape& shape, double scale) const;
  at::Tensor unpacked_values(const at::Tensor& values, const Shape& shape) const;
  at::Tensor packed_levels(const at::Tensor& input, double scale, const std::string& layer) const;

  std::size_t forward_mark(std::size_t stage) const { return stage; }
  std::size_t backward_mark(std::size_t stage) const { return 2 * stages_.size() + 1 - stage; }

  std::unique_ptr<Device> device_;
  std::vector<Stage> stages_;
  ImageWeights image_;
  at::Tensor mean_;  // [C, 1, 1]
  at::Tensor std_;
  at::Tensor zeros_;  // a chunk of split gradients
  std::int64_t micro_batch_;
  float surrogate_peak_;  // of the shape's value; all shapes have it at 0
  // Passes of one network come one after the other; the lock is for those who share it between threads.
  mutable std::mutex in_use_;
  mutable at::Tensor last_counts_;  // of the last micro-batch, on the device
};

CudaNetwork::CudaNetwork(NetworkPlan plan, std::unique_ptr<Device> device)
    : SpikingNetwork(std::move(plan)), device_(std::move(device)) {
  std::int64_t membrane_bytes = 0;
  std::vector<StagePlan> graph = stages_of(plan_);
  for (StagePlan& from : graph) {
    Stage stage;
    for (SynapsePlan& synapse : from.synapses) stage.synapses.push_back(synapse_of(synapse, from));
    if (stages_.empty()) {
      const at::Tensor weight = plan_.layers.front().weight.to(at::kFloat).contiguous();
      image_ = {on_device(pack_image_weights(weight, from.input[0], from.connections.taps)),
                table(from.connections.inputs), table(from.connections.outputs),
                static_cast<int>(from.connections.taps)};
    }
    membrane_bytes +=
        padded_elements(from.output) * plan_.timesteps * static_cast<std::int64_t>(sizeof(float));
    from.synapses.clear();
    from.connections = {};
    stage.plan = std::move(from);
    stages_.push_back(std::move(stage));
  }
  micro_batch_ = std::clamp<std::int64_t>(kMembraneBytes / membrane_bytes, 1, kMicroBatch);
  mean_ = on_device(per_channel(plan_.mean, at::kFloat));
  std_ = on_device(per_channel(plan_.std, at::kFloat));
  zeros_ = integers({kChunk}, /*zero=*/true);
  surrogate_peak_ = with_surrogate_shape(plan_.surrogate.shape, [&](auto shape) {
    return surrogate_value<shape()>(0.0F, static_cast<float>(plan_.surrogate.a));
  });
  for (LayerPlan& layer : plan_.layers) {
    layer.weight.reset();  // its values are on the device
    if (layer.shortcut) layer.shortcut->weight.reset();
  }
}

at::Tensor CudaNetwork::table(const std::vector<std::int32_t>& values) const {
  return on_device(at::tensor(at::ArrayRef<std::int32_t>(values), at::kInt));
}

at::Tensor CudaNetwork::floats(at::IntArrayRef shape) const {
  return at::empty(shape, at::TensorOptions(at::kFloat).device(device_->device()));
}

at::Tensor CudaNetwork::integers(at::IntArrayRef shape, bool zero) const {
  const auto options = at::TensorOptions(at::kInt).device(device_->device());
  return zero ? at::zeros(shape, options) : at::empty(shape, options);
}

Synapse CudaNetwork::synapse_of(SynapsePlan& plan, const StagePlan& stage) const {
  const Connections& connections = plan.connections;
  const std::int64_t inputs = plan.input[0];
  const std::int64_t outputs = stage.output[0];
  const std::int64_t taps = connections.taps;
  // A shortcut without weights is a convolution with the identity: exact, and a ninth of the work beside it.
  at::Tensor weight = plan.weight.defined() ? plan.weight.to(at::kFloat) : at::eye(outputs, at::kFloat);
  weight = weight.reshape({outputs, inputs, taps}).contiguous();
  const float* values = weight.const_data_ptr<float>();
  const auto at = [&](std::int64_t output, std::int64_t input, std::int64_t tap) {
    return values[(output * inputs + input) * taps + tap];
  };
  const auto products = [&](PackedPanels panels, const std::vector<std::int32_t>& sources,
                            std::int64_t positions, std::int64_t source_pixels) {
    panels.panels = on_device(panels.panels);
    panels.scales = on_device(panels.scales);
    return Products{std::move(panels), table(sources), static_cast<int>(positions),
                    static_cast<int>(source_pixels)};
  };
  Products forward =
      products(pack_panels(outputs, taps, inputs, FactorOrder::kLevels,
                           [&](auto column, auto tap, auto factor) { return at(column, factor, tap); }),
               connections.inputs, connections.output_pixels, connections.input_pixels);
  Products backward = [&] {
    if (connections.output_pixels > 1) {
      return products(
          pack_panels(inputs, taps, outputs, FactorOrder::kGradients,
                      [&](auto column, auto tap, auto factor) { return at(factor, column, tap); }),
          connections.outputs, connections.input_pixels, connections.output_pixels);
    }
    // Behind a single pixel every pixel of the input meets one tap: they become columns of one product.
    std::vector<std::int64_t> tap_of(static_cast<std::size_t>(connections.input_pixels), -1);
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int32_t pixel = connections.inputs[static_cast<std::size_t>(tap)];
      if (pixel >= 0) tap_of[static_cast<std::size_t>(pixel)] = tap;
    }
    const std::int64_t width = padded(inputs);
    return products(pack_panels(connections.input_pixels * width, 1, outputs, FactorOrder::kGradients,
                                [&](auto column, auto, auto factor) {
                                  const std::int64_t tap = tap_of[static_cast<std::size_t>(column / width)];
                                  const std::int64_t input = column % width;
                                  return tap < 0 || input >= inputs ? 0.0F : at(factor, input, tap);
                                }),
                    {0}, 1, 1);
  }();
  return {plan.source,
          plan.pooled,
          plan.input,
          std::move(forward),
          std::move(backward),
          plan.counted,
          table(connections.reach())};
}

std::int64_t CudaNetwork::weight_bytes() const {
  std::size_t sum = image_.weights.nbytes();
  for (const Stage& stage : stages_) {
    for (const Synapse& synapse : stage.synapses) {
      sum += synapse.forward.weights.panels.nbytes() + synapse.backward.weights.panels.nbytes();
    }
  }
  return static_cast<std::int64_t>(sum);
}

std::vector<LayerProfile> CudaNetwork::profile() const {
  const std::lock_guard lock(in_use_);
  const at::Tensor counts = last_counts_.defined() ? last_counts_.to(at::kCPU) : at::Tensor();
  std::vector<LayerProfile> profiles;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const Stage& stage = stages_[i];
    LayerProfile profile{.name = plan_.layers[stage.plan.layer].name,
                         .forward = i == 0 ? "direct" : "matrix units",
                         .backward = i == 0 ? "direct" : "matrix units",
                         .density = i == 0 ? 1.0 : 0.0};
    if (i > 0 && counts.defined()) {
      const Synapse& synapse = stage.synapses.front();
      const StagePlan& source = stages_[synapse.source].plan;
      const at::Tensor active =
          counts[static_cast<std::int64_t>(synapse.pooled ? *source.pool : source.layer)];
      profile.density = active.sum().item<double>() /
                        (static_cast<double>(active.numel()) * static_cast<double>(elements(synapse.input)));
    }
    profile.forward_seconds = device_->seconds_between(forward_mark(i), forward_mark(i + 1));
    profile.backward_seconds = device_->seconds_between(backward_mark(i + 1), backward_mark(i));
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

template <typename Work>
void CudaNetwork::for_each_micro_batch(std::int64_t images, const Work& work) const {
  const std::lock_guard lock(in_use_);
  for (std::int64_t first = 0; first < images; first += micro_batch_) {
    work(first, std::min(micro_batch_, images - first));
  }
}

Pass CudaNetwork::start(const at::Tensor& images) const {
  Pass pass;
  pass.images = images.size(0);
  pass.pixels = on_device(images).sub(mean_).div_(std_);
  pass.counts = integers({plan_.counted_layers(), pass.images, plan_.timesteps}, /*zero=*/true);
  pass.reached =
      at::zeros({counted_synapses_, pass.images, 2}, at::TensorOptions(at::kLong).device(device_->device()));
  pass.stages.resize(stages_.size());
  return pass;
}

void CudaNetwork::image_currents(const at::Tensor& images, const at::Tensor& currents) const {
  const Shape& input = plan_.input();
  const Shape& output = stages_.front().plan.output;
  device_->image_currents({ceiling(padded_elements(output), kThreads), static_cast<int>(images.size(0))},
                          {.images = images.const_data_ptr<float>(),
                           .weights = image_.weights.const_data_ptr<float>(),
                           .sources = image_.sources.const_data_ptr<int>(),
                           .currents = currents.mutable_data_ptr<float>(),
                           .input_pixels = static_cast<int>(pixels(input)),
                           .output_pixels = static_cast<int>(pixels(output)),
                           .channels = static_cast<int>(input[0]),
                           .taps = image_.taps,
                           .columns = static_cast<int>(padded(output[0]))});
}

/// What both directions have in common. @param items images x time steps
ProductParameters CudaNetwork::parameters_of(const Products& products, const void* input, std::int64_t items,
                                             const at::Tensor& output, bool accumulate) const {
  return {.input = input,
          .zeros = nullptr,
          .weights = quarters(products.weights.panels),
          .column_scales = products.weights.scales.const_data_ptr<float>(),
          .image_scales = nullptr,
          .sources = products.sources.const_data_ptr<int>(),
          .output = output.mutable_data_ptr<float>(),
          .largest = nullptr,
          .rows = static_cast<int>(items * products.positions),
          .rows_per_image = 1,
          .positions = products.positions,
          .source_pixels = products.source_pixels,
          .taps = products.weights.taps,
          .chunks = products.weights.chunks,
          .column_blocks = products.weights.column_blocks,
          .accumulate = accumulate,
          .pooled = false};
}

/// @param items images x time steps
void CudaNetwork::sum(const Products& products, const void* input, bool pooled, std::int64_t items,
                      const at::Tensor& output, bool accumulate) const {
  ProductParameters parameters = parameters_of(products, input, items, output, accumulate);
  parameters.pooled = pooled;
  device_->multiply_levels(grid_of(parameters), parameters);
}

/// Fires the neurons of a stage, and pools their spikes where a pool is behind them.
void CudaNetwork::fire(std::size_t index, Pass& pass, const at::Tensor& currents, bool keep) const {
  const StagePlan& stage = stages_[index].plan;
  StageState& state = pass.stages[index];
  const auto [channels, height, width] = stage.output;
  const std::int64_t timesteps = plan_.timesteps;
  const std::int64_t row = padded(channels) / kLevelsPerWord;
  const bool constant = currents.dim() == 3;
  if (keep) {
    state.membranes =
        constant ? floats({pass.images, timesteps, height * width, padded(channels)}) : currents;
  }
  state.levels = integers({pass.images, timesteps, height * width, row}, /*zero=*/false);
  const auto counts = [&](std::size_t layer) {
    return pass.counts[static_cast<std::int64_t>(layer)].mutable_data_ptr<int>();
  };
  device_->fire({ceiling(height * width * row, kThreads), static_cast<int>(pass.images)},
                {.currents = currents.const_data_ptr<float>(),
                 .membranes = keep ? state.membranes.mutable_data_ptr<float>() : nullptr,
                 .levels = words(state.levels),
                 .counts = counts(stage.layer),
                 .timesteps = static_cast<int>(timesteps),
                 .pixels = static_cast<int>(height * width),
                 .channels = static_cast<int>(padded(channels)),
                 .constant = constant,
                 .threshold = stage.threshold,
                 .leak = stage.leak,
                 .least_firing = stage.least_firing});
  if (!stage.pool) return;
  const std::int64_t means = (height / 2) * (width / 2);
  const std::int64_t items = pass.images * timesteps;
  state.means = integers({pass.images, timesteps, means, row}, /*zero=*/false);
  device_->pool({ceiling(means * row, kThreads), static_cast<int>(items)},
                {.levels = words(state.levels),
                 .means = words(state.means),
                 .counts = counts(*stage.pool),
                 .items = static_cast<int>(items),
                 .width = static_cast<int>(width),
                 .height = static_cast<int>(height),
                 .words = static_cast<int>(row)});
}

void CudaNetwork::count_reached(const Synapse& synapse, Pass& pass) const {
  if (!synapse.counted) return;
  const StageState& source = pass.stages[synapse.source];
  const std::int64_t row = padded(synapse.input[0]) / kLevelsPerWord;
  at::Tensor reached = pass.reached[static_cast<std::int64_t>(*synapse.counted)];
  device_->count_reached({ceiling(pixels(synapse.input) * row, kThreads), static_cast<int>(pass.images)},
                         {.levels = words(synapse.pooled ? source.means : source.levels),
                          .reach = synapse.reach.const_data_ptr<int>(),
                          .reached = reinterpret_cast<Offset*>(reached.mutable_data_ptr<std::int64_t>()),
                          .timesteps = static_cast<int>(plan_.timesteps),
                          .pixels = static_cast<int>(pixels(synapse.input)),
                          .words = static_cast<int>(row)});
}

void CudaNetwork::forward(Pass& pass, bool keep, const Cancellation& cancellation) const {
  const std::int64_t timesteps = plan_.timesteps;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    cancellation.check();
    device_->mark(forward_mark(i));
    const Stage& stage = stages_[i];
    const Shape& output = stage.plan.output;
    if (i == 0) {
      const at::Tensor currents = floats({pass.images, pixels(output), padded(output[0])});
      image_currents(pass.pixels, currents);
      fire(i, pass, currents, keep);
      continue;
    }
    const at::Tensor sums = floats({pass.images, timesteps, pixels(output), padded(output[0])});
    for (const Synapse& synapse : stage.synapses) {
      const StageState& source = pass.stages[synapse.source];
      sum(synapse.forward, (synapse.pooled ? source.means : source.levels).const_data_ptr(), synapse.pooled,
          pass.images * timesteps, sums, &synapse != &stage.synapses.front());
      count_reached(synapse, pass);
    }
    if (i + 1 == stages_.size()) {
      pass.sums = sums;
    } else {
      fire(i, pass, sums, keep);
    }
  }
  device_->mark(forward_mark(stages_.size()));
  pass.logits = floats({pass.images, plan_.classes()});
  last_counts_ = pass.counts;
}

void CudaNetwork::read_logits(Pass& pass, LogitsParameters parameters) const {
  parameters.sums = pass.sums.const_data_ptr<float>();
  parameters.logits = pass.logits.mutable_data_ptr<float>();
  parameters.images = static_cast<int>(pass.images);
  parameters.timesteps = static_cast<int>(plan_.timesteps);
  parameters.classes = static_cast<int>(plan_.classes());
  parameters.columns = static_cast<int>(padded(plan_.classes()));
  device_->logits({ceiling(pass.images, kThreads / kWarp)}, parameters);
}

/// The gradient by the pixels of a pass that kept its membranes, which it overwrites.
/// @param labels int32, on the device
at::Tensor CudaNetwork::backward(Pass& pass, const at::Tensor& labels, at::Tensor& losses,
                                 const Cancellation& cancellation) const {
  const std::int64_t images = pass.images;
  const std::int64_t timesteps = plan_.timesteps;
  const std::size_t last = stages_.size() - 1;
  losses = floats({images});
  const at::Tensor scales = floats({static_cast<std::int64_t>(stages_.size()), images});
  const at::Tensor largest = integers({static_cast<std::int64_t>(stages_.size()), 2, images}, /*zero=*/true);
  const auto scales_of = [&](std::size_t stage) {
    return scales.mutable_data_ptr<float>() + static_cast<std::int64_t>(stage) * images;
  };
  const at::Tensor by_logits = floats({images, padded(plan_.classes())});
  device_->mark(backward_mark(stages_.size()));
  LogitsParameters from_logits{};
  from_logits.labels = labels.const_data_ptr<int>();
  from_logits.losses = losses.mutable_data_ptr<float>();
  from_logits.gradient = fragments(by_logits);
  from_logits.image_scales = scales_of(last);
  read_logits(pass, from_logits);

  // By stage, by its spikes and by their means.
  std::vector<std::array<Gradient, kContributions>> gradients(stages_.size());
  const auto deliver = [&](std::size_t stage, const void* split, std::int64_t steps) {
    for (const Synapse& synapse : stages_[stage].synapses) {
      const std::size_t source = synapse.source;
      Gradient& to = gradients[source][synapse.pooled ? 1 : 0];
      const bool accumulate = to.values.defined();
      if (!accumulate) {
        to.values = floats({images, steps, pixels(synapse.input), padded(synapse.input[0])});
        to.largest =
            words(largest) + (static_cast<std::int64_t>(source) * 2 + (synapse.pooled ? 1 : 0)) * images;
        to.constant = stage == last;
      }
      ProductParameters parameters =
          parameters_of(synapse.backward, split, images * steps, to.values, accumulate);
      parameters.zeros = fragments(zeros_);
      parameters.image_scales = scales_of(stage);
      parameters.largest = to.largest;
      parameters.rows_per_image = static_cast<int>(steps * synapse.backward.positions);
      device_->multiply_gradients(grid_of(parameters), parameters);
    }
  };
  // The output layer sums over the time steps, so its gradient is the same at all of them.
  deliver(last, by_logits.const_data_ptr(), 1);
  device_->mark(backward_mark(last));

  at::Tensor time_sums;
  for (std::size_t i = last; i-- > 0;) {
    cancellation.check();
    const StagePlan& stage = stages_[i].plan;
    const auto [channels, height, width] = stage.output;
    StageState& state = pass.stages[i];
    if (i == 0) time_sums = floats({images, height * width, padded(channels)});
    double steps = 0;
    for (std::int64_t t = 0; t < timesteps; ++t) steps += std::pow(std::abs(stage.leak), t);
    const bool relative = plan_.surrogate.scale == SurrogateScale::kThreshold;
    NeuronGradientParameters parameters{
        .membranes = state.membranes.mutable_data_ptr<float>(),
        .time_sums = i == 0 ? time_sums.mutable_data_ptr<float>() : nullptr,
        .contributions = {},
        .contribution_count = 0,
        .image_scales = scales_of(i),
        .timesteps = static_cast<int>(timesteps),
        .width = static_cast<int>(width),
        .height = static_cast<int>(height),
        .channels = static_cast<int>(padded(channels)),
        .threshold = stage.threshold,
        .leak = stage.leak,
        .a = static_cast<float>(plan_.surrogate.a),
        .gain = static_cast<float>(surrogate_peak_ / (relative ? stage.threshold : 1.0F) * steps)};
    for (std::size_t k = 0; k < kContributions; ++k) {
      const Gradient& gradient = gradients[i][k];
      if (!gradient.values.defined()) continue;
      parameters.contributions[parameters.contribution_count++] = {
          gradient.values.const_data_ptr<float>(), gradient.largest, /*pooled=*/k == 1, gradient.constant};
    }
    device_->neuron_gradients(
        {ceiling(height * width * padded(channels) / 8, kThreads), static_cast<int>(images)}, parameters);
    gradients[i] = {};
    if (i > 0) {
      deliver(i, state.membranes.const_data_ptr(), timesteps);
      device_->mark(backward_mark(i));
    }
    state.membranes.reset();
  }

  const Shape& input = plan_.input();
  const Shape& first = stages_.front().plan.output;
  at::Tensor gradient = floats({images, input[0], input[1], input[2]});
  device_->image_gradient({ceiling(pixels(input), kThreads / kWarp), static_cast<int>(images)},
                          {.time_sums = time_sums.const_data_ptr<float>(),
                           .weights = image_.weights.const_data_ptr<float>(),
                           .std = std_.const_data_ptr<float>(),
                           .targets = image_.targets.const_data_ptr<int>(),
                           .gradient = gradient.mutable_data_ptr<float>(),
                           .images = static_cast<int>(images),
                           .input_pixels = static_cast<int>(pixels(input)),
                           .output_pixels = static_cast<int>(pixels(first)),
                           .channels = static_cast<int>(input[0]),
                           .taps = image_.taps,
                           .columns = static_cast<int>(padded(first[0]))});
  device_->mark(backward_mark(0));
  return gradient;
}

void CudaNetwork::do_evaluate(const at::Tensor& images, const Draws& /*draws*/,
                              const Cancellation& cancellation, Evaluation& result) const {
  for_each_micro_batch(images.size(0), [&](std::int64_t first, std::int64_t count) {
    Pass pass = start(images.narrow(0, first, count));
    forward(pass, /*keep=*/false, cancellation);
    read_logits(pass, {});
    result.logits.narrow(0, first, count).copy_(pass.logits);
    result.counts.narrow(0, first, count).copy_(pass.counts.permute({1, 0, 2}));
    result.reached.narrow(0, first, count).copy_(pass.reached.transpose(0, 1));
  });
}

void CudaNetwork::do_input_gradient(const at::Tensor& images, const Draws& /*draws*/,
                                    const at::Tensor& labels, const Cancellation& cancellation,
                                    LossGradient& result) const {
  for_each_micro_batch(images.size(0), [&](std::int64_t first, std::int64_t count) {
    Pass pass = start(images.narrow(0, first, count));
    forward(pass, /*keep=*/true, cancellation);
    at::Tensor losses;
    const at::Tensor gradient =
        backward(pass, on_device(labels.narrow(0, first, count).to(at::kInt)), losses, cancellation);
    result.gradient.narrow(0, first, count).copy_(gradient);
    result.losses.narrow(0, first, count).copy_(losses);
    result.logits.narrow(0, first, count).copy_(pass.logits);
    result.counts.narrow(0, first, count).copy_(pass.counts.permute({1, 0, 2}));
    result.reached.narrow(0, first, count).copy_(pass.reached.transpose(0, 1));
  });
}

/// [T, N, C, H, W] on the host, of [image][timestep][pixel][channel].
at::Tensor CudaNetwork::unpacked_values(const at::Tensor& values, const Shape& shape) const {
  const auto [channels, height, width] = shape;
  return values.narrow(3, 0, channels)
      .unflatten(2, at::IntArrayRef({height, width}))
      .permute({1, 0, 4, 2, 3})
      .to(at::kCPU)
      .contiguous();
}

/// The same of levels, each worth `scale`.
at::Tensor CudaNetwork::unpacked_levels(const at::Tensor& levels, const Shape& shape, double scale) const {
  std::vector<at::Tensor> places;
  for (int i = 0; i < kLevelsPerWord; ++i) {
    places.push_back(levels.bitwise_right_shift(4 * i).bitwise_and(15));
  }
  return unpacked_values(at::stack(places, -1).flatten(3, 4).to(at::kFloat).mul(scale), shape);
}

/// Levels of an input [T, N, C, H, W] on the host: multiples of `scale` from 0 to 4.
at::Tensor CudaNetwork::packed_levels(const at::Tensor& input, double scale, const std::string& layer) const {
  const at::Tensor levels = input.div(scale).to(at::kInt);
  if (!levels.to(at::kFloat).mul(scale).equal(input) || levels.lt(0).any().item<bool>() ||
      levels.gt(4).any().item<bool>()) {
    throw CodedError("INVALID_ARGUMENT", "Expected spikes or their means as the input of " + layer +
                                             " but received other numbers");
  }
  const std::int64_t channels = input.size(2);
  const at::Tensor places =
      at::constant_pad_nd(levels.permute({1, 0, 3, 4, 2}).flatten(2, 3), {0, padded(channels) - channels})
          .unflatten(3, at::IntArrayRef({padded(channels) / kLevelsPerWord, kLevelsPerWord}));
  at::Tensor packed = at::zeros(places.sizes().slice(0, 4), at::kInt);
  for (int i = 0; i < kLevelsPerWord; ++i) packed.add_(places.select(4, i).bitwise_left_shift(4 * i));
  return on_device(packed);
}

void CudaNetwork::do_trace(const at::Tensor& images, const Draws& /*draws*/, const Cancellation& cancellation,
                           std::vector<LayerTrace>& traces) const {
  const auto put = [](at::Tensor& whole, const at::Tensor& part, std::int64_t first) {
    whole.narrow(1, first, part.size(1)).copy_(part);
  };
  for_each_micro_batch(images.size(0), [&](std::int64_t first, std::int64_t count) {
    Pass pass = start(images.narrow(0, first, count));
    forward(pass, /*keep=*/true, cancellation);
    for (std::size_t i = 0; i + 1 < stages_.size(); ++i) {
      const StagePlan& stage = stages_[i].plan;
      const StageState& state = pass.stages[i];
      put(traces[stage.layer].membrane, unpacked_values(state.membranes, stage.output), first);
      put(traces[stage.layer].output, unpacked_levels(state.levels, stage.output, 1), first);
      if (stage.pool) {
        const Shape& pooled = plan_.layers[*stage.pool].output;
        put(traces[*stage.pool].output, unpacked_levels(state.means, pooled, 0.25), first);
      }
    }
  });
}

void CudaNetwork::do_trace_layer(std::size_t layer, const at::Tensor& input, const at::Tensor& shortcut,
                                 const Cancellation& cancellation, LayerTrace& trace) const {
  const LayerPlan& plan = plan_.layers[layer];
  const std::int64_t timesteps = plan_.timesteps;
  const std::int64_t batch = input.size(1);
  const auto stage = static_cast<std::size_t>(
      std::find_if(stages_.begin(), stages_.end(),
                   [&](const Stage& each) { return each.plan.layer == layer || each.plan.pool == layer; }) -
      stages_.begin());
  const Shape& output = stages_[stage].plan.output;
  for_each_micro_batch(batch, [&](std::int64_t first, std::int64_t count) {
    cancellation.check();
    const at::Tensor part = input.narrow(1, first, count);
    const auto put = [&](at::Tensor& whole, const at::Tensor& values) {
      whole.narrow(1, first, count).copy_(values);
    };
    if (plan.kind == LayerKind::kAveragePool) {
      put(trace.output, at::avg_pool2d(part.flatten(0, 1), {2, 2}, {2, 2})
                            .unflatten(0, at::IntArrayRef({timesteps, count})));
      return;
    }
    Pass pass;
    pass.images = count;
    pass.counts = integers({plan_.counted_layers(), count, timesteps}, /*zero=*/true);
    pass.stages.resize(stages_.size());
    const at::Tensor sums = floats({count, timesteps, pixels(output), padded(output[0])});
    if (stage == 0) {
      // Each time step is an image of its own, normalised already, and only the neurons see the time.
      image_currents(on_device(part.transpose(0, 1).flatten(0, 1)), sums);
    } else {
      for (const Synapse& synapse : stages_[stage].synapses) {
        const bool later = &synapse != &stages_[stage].synapses.front();
        const auto [channels, height, width] = synapse.input;
        const at::Tensor incoming = later ? shortcut.narrow(1, first, count) : part;
        const at::Tensor levels = packed_levels(incoming.reshape({timesteps, count, channels, height, width}),
                                                synapse.pooled ? 0.25 : 1.0, plan.name);
        sum(synapse.forward, levels.const_data_ptr(), synapse.pooled, count * timesteps, sums, later);
      }
    }
    put(trace.current, unpacked_values(sums, output));
    fire(stage, pass, sums, /*keep=*/true);
    put(trace.membrane, unpacked_values(pass.stages[stage].membranes, output));
    put(trace.output, unpacked_levels(pass.stages[stage].levels, output, 1));
  });
}

}  // namespace

std::optional<std::string> cuda_obstacle(const NetworkPlan& plan) {
  if (plan.dtype != at::kFloat) return "it computes in float32 only";
  if (plan.neurons != NeuronKind::kSpiking) return "it computes spiking neurons only";
  if (plan.rate_coding) return "it shows the same image at every time step, which rate coding does not";
  if (const auto pool = pool_without_neurons(plan)) {
    return "there is no layer of neurons in front of " + *pool;
  }
  return std::nullopt;
}

std::unique_ptr<SpikingNetwork> make_cuda_network(NetworkPlan plan, std::unique_ptr<Device> device) {
  return std::make_unique<CudaNetwork>(std::move(plan), std::move(device));
}

}  // namespace hire_snn::cuda
