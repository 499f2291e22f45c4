#include "script_classifier.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/cross_entropy.h"
#include "engine/error.h"
#include "engine/labels.h"
#include "engine/micro_batches.h"
#include "engine/per_channel.h"
#include "script_failure.h"
#include "script_warnings.h"

namespace hire_snn {
namespace {

/// Images for the probe: [count, C, H, W] in [0, 1], all different, and the same in every process.
at::Tensor probe_images(std::int64_t count, const Shape& shape, at::ScalarType dtype) {
  // Multiples of the golden ratio, modulo 1, are spread evenly.
  const at::Tensor steps = at::arange(count * elements(shape), at::kDouble);
  return steps.mul(0.61803398874989485).frac().view({count, shape[0], shape[1], shape[2]}).to(dtype);
}

/// [N, K] of a tensor that is that but for dimensions of 1; undefined for others.
at::Tensor as_logits(const at::Tensor& value, std::int64_t batch) {
  if (!value.is_floating_point() || value.dim() < 2 || value.size(0) != batch) return {};
  std::int64_t wide = 0;
  for (std::int64_t i = 1; i < value.dim(); ++i) wide += value.size(i) > 1;
  return wide == 1 ? value.flatten(1) : at::Tensor();
}

std::string list(const std::vector<ScriptOutput>& outputs) {
  if (outputs.empty()) return "no tensor at all";
  std::string text;
  for (const auto& [path, value] : outputs) {
    text += (text.empty() ? "" : ", ") + (path.empty() ? std::string("a tensor") : path) + " " +
            c10::str(value.sizes()) + " of " + c10::toString(value.scalar_type());
  }
  return text;
}

CodedError no_gradient(const std::string& why) {
  return {"NO_GRADIENT",
          "Expected a gradient of the script's logits by its images but " + why +
              ": it detaches them, or fires by a comparison alone. Export it with its surrogate gradient "
              "(docs/torchscript.md), or allow this with --allow-zero-gradient, if only attacks without "
              "gradients or from another model count"};
}

/// Undefined if the logits do not depend on the pixels.
at::Tensor gradient_of(const at::Tensor& logits, const at::Tensor& pixels, const at::Tensor& by_logits) {
  const ScriptWarnings once_each;
  try {
    // grad(), not backward(): nothing is added up on any tensor of the module.
    return torch::autograd::grad({logits}, {pixels}, {by_logits}, /*retain_graph=*/false,
                                 /*create_graph=*/false, /*allow_unused=*/true)
        .front();
  } catch (const c10::NotImplementedError& error) {
    throw no_gradient(std::string("an operator has none (") + error.what_without_backtrace() + ")");
  } catch (const std::exception& error) {
    throw running_failure(error);
  }
}

}  // namespace

ScriptClassifier::ScriptClassifier(std::shared_ptr<ScriptModule> script, ScriptPlan plan,
                                   const Cancellation& cancellation)
    : script_(std::move(script)),
      plan_(std::move(plan)),
      mean_(per_channel(plan_.mean, script_->dtype())),
      std_(per_channel(plan_.std, script_->dtype())),
      findings_(probe(cancellation)) {}

std::vector<ScriptOutput> ScriptClassifier::run(const at::Tensor& images) const {
  return script_->forward(images.sub(mean_).div(std_));
}

/// The logits among what a script returned for a batch.
const ScriptOutput& ScriptClassifier::choose(const std::vector<ScriptOutput>& outputs,
                                             std::int64_t batch) const {
  std::vector<const ScriptOutput*> candidates;
  for (const ScriptOutput& output : outputs) {
    if (plan_.output && output.path != *plan_.output) continue;
    if (as_logits(output.value, batch).defined()) candidates.push_back(&output);
  }
  if (candidates.size() > 1 && plan_.classes) {
    std::erase_if(candidates, [&](const ScriptOutput* candidate) {
      return as_logits(candidate->value, batch).size(1) != *plan_.classes;
    });
  }
  if (candidates.size() == 1) return *candidates.front();
  const std::string wanted = "floating-point logits [" + std::to_string(batch) + ", classes]" +
                             (plan_.output ? " at " + *plan_.output : "");
  throw CodedError("SCRIPT_INVALID",
                   "Expected " + wanted + " from the script for " + std::to_string(batch) + " images of " +
                       to_string(plan_.input) + " but received " + list(outputs) +
                       (candidates.size() > 1 ? "; several could be meant: name one by --output" : ""));
}

at::Tensor ScriptClassifier::run_to_logits(const at::Tensor& images) const {
  const std::vector<ScriptOutput> outputs = run(images);
  // Between two tensors of the same shape it is the place that counts, which the probe has settled.
  for (const ScriptOutput& output : outputs) {
    if (output.path != findings_.output) continue;
    const at::Tensor logits = as_logits(output.value, images.size(0));
    // A script that puts its logits on a device of its own choice (meta, ...) has none that could be read.
    if (logits.defined() && logits.size(1) == findings_.classes && logits.device() == script_->device())
      return logits.to(at::kCPU, script_->dtype()).contiguous();
  }
  throw CodedError("SCRIPT_FAILED", "Expected logits [" + std::to_string(images.size(0)) + ", " +
                                        std::to_string(findings_.classes) +
                                        "] from the script, as it gave before, but received " +
                                        list(outputs));
}

ScriptFindings ScriptClassifier::probe(const Cancellation& cancellation) const {
  const at::NoGradGuard no_gradient;
  const at::Tensor images = probe_images(kMicroBatch, plan_.input, script_->dtype());
  const auto first_pass = [&](std::int64_t size) {
    cancellation.check();
    const at::Tensor micro_batch =
        size <= kMicroBatch ? images.narrow(0, 0, size) : probe_images(size, plan_.input, script_->dtype());
    const auto outputs = run(micro_batch);
    const ScriptOutput& chosen = choose(outputs, size);
    return std::pair(chosen.path, as_logits(chosen.value, size).to(at::kCPU).clone());
  };
  const auto find = [&](std::int64_t size, std::string why_single) {
    const auto [path, logits] = first_pass(size);
    const bool repeatable = first_pass(size).second.equal(logits);
    return ScriptFindings{logits.size(1), path, size, std::move(why_single), repeatable};
  };

  if (plan_.micro_batch) return find(*plan_.micro_batch, "");
  try {
    ScriptFindings findings = find(kMicroBatch, "");
    if (!findings.repeatable) return findings;
    // The first image among others, and among black ones, at the same place: any difference comes from them.
    cancellation.check();
    const at::Tensor alone =
        at::cat({images.narrow(0, 0, 1), at::zeros_like(images.narrow(0, 1, kMicroBatch - 1))});
    const auto among = first_pass(kMicroBatch).second;
    const auto outputs = run(alone);
    const at::Tensor logits = as_logits(choose(outputs, kMicroBatch).value, kMicroBatch).to(at::kCPU);
    if (logits[0].equal(among[0])) return findings;
  } catch (const CodedError& error) {
    if (error.code() != "SCRIPT_FAILED" && error.code() != "SCRIPT_INVALID") throw;
    // Traced with a batch of one, it may have that size built in.
    try {
      return find(1, "it cannot be run on several");
    } catch (const CodedError&) {
      throw error;
    }
  }
  return find(1, "an image's logits depend on the others beside it");
}

void ScriptClassifier::check_images(const at::Tensor& images) const {
  const auto& [channels, height, width] = plan_.input;
  if (images.dim() == 4 && images.size(0) >= 1 && images.size(1) == channels && images.size(2) == height &&
      images.size(3) == width && images.is_floating_point())
    return;
  throw CodedError("INVALID_ARGUMENT",
                   "Expected images [N, " + std::to_string(channels) + ", " + std::to_string(height) + ", " +
                       std::to_string(width) + "] of float32 or float64 but received " +
                       c10::str(images.sizes()) + " of " + c10::toString(images.scalar_type()));
}

at::Tensor ScriptClassifier::logits(const at::Tensor& images, const Cancellation& cancellation) const {
  check_images(images);
  const at::NoGradGuard no_gradient;
  at::Tensor result = at::empty({images.size(0), findings_.classes}, script_->dtype());
  for_each_micro_batch(
      images.to(script_->dtype()), 0, findings_.micro_batch,
      [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
        cancellation.check();
        result.narrow(0, first, samples).copy_(run_to_logits(micro_batch).narrow(0, 0, samples));
      });
  return result;
}

ScriptGradient ScriptClassifier::input_gradient(const at::Tensor& images, const at::Tensor& labels,
                                                const Cancellation& cancellation) const {
  check_images(images);
  check_labels(labels, images.size(0), findings_.classes);
  const auto options = at::TensorOptions(script_->dtype());
  ScriptGradient result{at::empty(images.sizes(), images.options()), at::empty({images.size(0)}, options),
                        at::empty({images.size(0), findings_.classes}, options)};
  for_each_micro_batch(images.to(script_->dtype()), 0, findings_.micro_batch,
                       [&](const at::Tensor& micro_batch, std::int64_t first, std::int64_t samples) {
                         cancellation.check();
                         const at::AutoGradMode with_gradient(true);
                         const at::Tensor pixels = micro_batch.detach().requires_grad_();
                         const at::Tensor logits = run_to_logits(pixels);
                         at::Tensor label = at::zeros({micro_batch.size(0)}, at::kLong);
                         label.narrow(0, 0, samples).copy_(labels.narrow(0, first, samples));
                         const CrossEntropy loss = cross_entropy(logits.detach(), label);
                         at::Tensor gradient;
                         if (logits.requires_grad()) {
                           cancellation.check();
                           gradient = gradient_of(logits, pixels, loss.gradient);
                         }
                         if (!gradient.defined()) {
                           if (!plan_.allow_zero_gradient)
                             throw no_gradient("no operators with a gradient connect them");
                           gradient = at::zeros_like(pixels);
                         }
                         result.gradient.narrow(0, first, samples).copy_(gradient.narrow(0, 0, samples));
                         result.losses.narrow(0, first, samples).copy_(loss.losses.narrow(0, 0, samples));
                         result.logits.narrow(0, first, samples).copy_(logits.detach().narrow(0, 0, samples));
                       });
  return result;
}

}  // namespace hire_snn
