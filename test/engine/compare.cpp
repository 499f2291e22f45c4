#include "compare.h"

#include <ATen/Functions.h>

#include <algorithm>

#include "engine/per_channel.h"

namespace hire_snn::parity {
namespace {

/// Images that are traced at once: a trace holds every membrane.
constexpr std::int64_t kTraced = 8;

double largest(const at::Tensor& values) { return values.numel() == 0 ? 0 : values.max().item<double>(); }

/// The largest |a - b| of each image over the image's largest |b|.
at::Tensor relative(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor difference = a.sub(b).abs().flatten(1).amax(1);
  return difference.div(b.abs().flatten(1).amax(1).clamp_min(1e-30));
}

template <typename Work>
void for_each_part(std::int64_t images, std::int64_t size, const Work& work) {
  for (std::int64_t first = 0; first < images; first += size) work(first, std::min(size, images - first));
}

}  // namespace

bool Comparison::expect(bool holds, const std::string& rule) const {
  if (!holds) log_ << "  BROKEN: " << rule << "\n";
  return holds;
}

bool Comparison::layers(const at::Tensor& images) {
  const NetworkPlan& plan = reference_.plan();
  const Cancellation never;
  double worst = 0;
  std::int64_t steps = 0;
  std::int64_t at_threshold = 0;
  std::int64_t others = 0;
  for_each_part(images.size(0), kTraced, [&](std::int64_t first, std::int64_t count) {
    const at::Tensor part = images.narrow(0, first, count);
    const std::vector<LayerTrace> traces = reference_.trace(part, never);
    for (std::size_t i = 0; i < traces.size(); ++i) {
      const LayerPlan& layer = plan.layers[i];
      at::Tensor input = i > 0 ? traces[i - 1].output
                               : part.unsqueeze(0).expand({plan.timesteps, count, -1, -1, -1});
      if (i == 0) {
        // The engines normalise images, not the inputs of a single layer.
        input = input.sub(per_channel(plan.mean, at::kFloat)).div(per_channel(plan.std, at::kFloat)).contiguous();
      }
      const at::Tensor shortcut = layer.shortcut ? traces[layer.shortcut->from].output : at::Tensor();
      const LayerTrace expected = reference_.trace_layer(i, input, shortcut, never);
      const LayerTrace found = tested_.trace_layer(i, input, shortcut, never);
      if (!layer.spikes()) {
        others += found.output.ne(expected.output).sum().item<std::int64_t>();
        continue;
      }
      worst = std::max(worst, largest(found.current.sub(expected.current).abs()) / layer.neuron.threshold);
      const at::Tensor differs = found.output.ne(expected.output);
      const at::Tensor narrow =
          expected.membrane.div(layer.neuron.threshold).sub(1).abs().lt(rules_.at_threshold);
      steps += differs.numel();
      at_threshold += differs.logical_and(narrow).sum().item<std::int64_t>();
      // Behind a spike that differs, the same neuron may differ at later steps.
      const at::Tensor explained = differs.logical_and(narrow).to(at::kInt).cumsum(0).gt(0);
      others += differs.logical_and(explained.logical_not()).sum().item<std::int64_t>();
    }
  });
  log_ << "  (a) " << steps << " neuron steps; weighted sums differ by at most " << worst
       << " of the threshold; spikes that differ at the threshold: " << at_threshold << ", elsewhere: " << others
       << "\n";
  const bool sums = expect(worst < rules_.weighted_sums, "weighted sums");
  return expect(others == 0, "spikes that differ elsewhere") && sums;
}

bool Comparison::whole(const at::Tensor& images, const at::Tensor& labels) {
  const Cancellation never;
  std::vector<at::Tensor> same_parts;
  std::int64_t spikes = 0;
  for_each_part(images.size(0), kTraced, [&](std::int64_t first, std::int64_t count) {
    const at::Tensor part = images.narrow(0, first, count);
    const auto expected = reference_.trace(part, never);
    const auto found = tested_.trace(part, never);
    at::Tensor same = at::ones({count}, at::kBool);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const at::Tensor differs = found[i].output.ne(expected[i].output);
      spikes += differs.sum().item<std::int64_t>();
      same.logical_and_(differs.transpose(0, 1).flatten(1).any(1).logical_not());
    }
    same_parts.push_back(same);
  });
  const at::Tensor same = at::cat(same_parts).nonzero().flatten();
  const LossGradient expected = reference_.input_gradient(images, labels, never);
  const LossGradient found = tested_.input_gradient(images, labels, never);
  const auto of_same = [&](const at::Tensor& values) { return values.index_select(0, same); };
  const double logits = largest(relative(of_same(found.logits), of_same(expected.logits)));
  const double losses = largest(of_same(found.losses).sub(of_same(expected.losses)).abs());
  const double gradients = largest(relative(of_same(found.gradient), of_same(expected.gradient)));
  const at::Tensor signs = of_same(found.gradient).sign().ne(of_same(expected.gradient).sign());
  const auto differing_signs = signs.sum().item<std::int64_t>();
  const double share = static_cast<double>(same.size(0)) / static_cast<double>(images.size(0));
  log_ << "  (b) " << same.size(0) << " of " << images.size(0) << " images have every spike in common, " << spikes
       << " spikes differ on the others; on those: logits " << logits << ", losses " << losses << ", gradients "
       << gradients << ", signs differ " << differing_signs << " of " << signs.numel() << "\n";
  bool holds = expect(of_same(found.counts).equal(of_same(expected.counts)) &&
                          of_same(found.reached).equal(of_same(expected.reached)),
                      "counts of spikes and of the pixels that they reach");
  holds &= expect(share >= rules_.images, "images with every spike");
  holds &= expect(logits < rules_.logits, "logits");
  holds &= expect(losses < rules_.losses, "losses");
  holds &= expect(gradients < rules_.gradients, "gradients");
  return expect(static_cast<double>(differing_signs) <= (1 - rules_.signs) * static_cast<double>(signs.numel()),
                "signs of gradients") &&
         holds;
}

bool Comparison::bits(const at::Tensor& images, const at::Tensor& labels) {
  const Cancellation never;
  const LossGradient all = tested_.input_gradient(images, labels, never);
  const Evaluation alone = tested_.evaluate(images, never);
  bool same = all.logits.equal(alone.logits) && all.counts.equal(alone.counts) && all.reached.equal(alone.reached);
  for (const std::int64_t size : {std::int64_t{1}, std::int64_t{3}, std::int64_t{7}, std::int64_t{32}}) {
    if (size >= images.size(0)) break;
    for_each_part(std::min<std::int64_t>(images.size(0), 2 * size), size, [&](std::int64_t first,
                                                                             std::int64_t count) {
      const LossGradient part =
          tested_.input_gradient(images.narrow(0, first, count), labels.narrow(0, first, count), never);
      same &= part.gradient.equal(all.gradient.narrow(0, first, count)) &&
              part.logits.equal(all.logits.narrow(0, first, count)) &&
              part.losses.equal(all.losses.narrow(0, first, count)) &&
              part.counts.equal(all.counts.narrow(0, first, count)) &&
              part.reached.equal(all.reached.narrow(0, first, count));
    });
  }
  return expect(same, "the same bits in every batch");
}

}  // namespace hire_snn::parity
