#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/cancellation.h"
#include "engine/network_plan.h"
#include "script_module.h"

namespace hire_snn {

/// How a script is used as a classifier.
struct ScriptPlan {
  Shape input;               ///< of one image
  std::vector<double> mean;  ///< one per channel
  std::vector<double> std;
  std::optional<std::string> output = std::nullopt;    ///< path of the logits; found by shape without it
  std::optional<std::int64_t> classes = std::nullopt;  ///< to choose between several outputs
  std::optional<std::int64_t> micro_batch = std::nullopt;
  bool allow_zero_gradient = false;  ///< zeros for a script that has no gradient, instead of an error
};

/// What the probe found.
struct ScriptFindings {
  std::int64_t classes;
  std::string output;        ///< path of the logits; "" for a bare tensor
  std::int64_t micro_batch;  ///< images that are run at once
  std::string why_single;    ///< why it is 1 although nobody asked for it; else empty
  bool repeatable;           ///< whether a second run gave the same bits
};

/// One forward and backward pass over a batch.
struct ScriptGradient {
  at::Tensor gradient;  ///< [N, C, H, W] of the summed losses by the pixels, in their dtype
  at::Tensor losses;    ///< [N]
  at::Tensor logits;    ///< [N, classes]
};

/// A script as a map from images in [0, 1] to logits. It is run on micro-batches of one size (Note
/// [Micro-batches]).
class ScriptClassifier {
 public:
  /// Runs the script on a few images of its own to learn the classes and whether it can be run on several
  /// images at once.
  ///
  /// Throws CodedError SCRIPT_FAILED if it stops, SCRIPT_INVALID if nothing it returns is logits, or several
  /// things are.
  ScriptClassifier(std::shared_ptr<ScriptModule> script, ScriptPlan plan, const Cancellation& cancellation);

  const ScriptFindings& findings() const { return findings_; }
  const ScriptModule& script() const { return *script_; }

  /// @param images [N, C, H, W], float32 or float64 whatever the script's own
  /// @return [N, classes] in the script's dtype
  at::Tensor logits(const at::Tensor& images, const Cancellation& cancellation) const;

  /// The gradient of the cross-entropy of each sample.
  /// @param labels [N] int64
  /// Throws CodedError NO_GRADIENT if no path of operators with a gradient leads from logits to images.
  ScriptGradient input_gradient(const at::Tensor& images, const at::Tensor& labels,
                                const Cancellation& cancellation) const;

 private:
  ScriptFindings probe(const Cancellation& cancellation) const;
  std::vector<ScriptOutput> run(const at::Tensor& images) const;
  at::Tensor run_to_logits(const at::Tensor& images) const;
  const ScriptOutput& choose(const std::vector<ScriptOutput>& outputs, std::int64_t batch) const;
  void check_images(const at::Tensor& images) const;

  std::shared_ptr<ScriptModule> script_;
  ScriptPlan plan_;
  at::Tensor mean_;  // [C, 1, 1]
  at::Tensor std_;
  ScriptFindings findings_;
};

}  // namespace hire_snn
