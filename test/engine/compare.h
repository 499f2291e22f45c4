#pragma once

#include <ostream>

#include "engine/spiking_network.h"

namespace hire_snn::parity {

/// The rules of the parity suite (test/reference/parity.test.ts), between two engines.
struct Rules {
  double weighted_sums = 1e-5;  ///< of the threshold
  double at_threshold = 1e-5;   ///< |u| below which a spike may differ
  double logits = 1e-5;         ///< of an image's largest
  double losses = 1e-4;
  double gradients = 2e-5;      ///< of an image's largest
  double signs = 0.999;         ///< share that agrees
  double images = 40.0 / 64;    ///< share that has every spike in common
};

/// Prints what it finds; false if a rule is broken.
class Comparison {
 public:
  Comparison(const SpikingNetwork& reference, const SpikingNetwork& tested, const Rules& rules,
             std::ostream& log)
      : reference_(reference), tested_(tested), rules_(rules), log_(log) {}

  /// Each layer on the reference's inputs.
  bool layers(const at::Tensor& images);
  /// The whole network: spikes, logits, losses, gradients.
  bool whole(const at::Tensor& images, const at::Tensor& labels);
  /// A sample's bits alone, in parts of a batch and in all of it.
  bool bits(const at::Tensor& images, const at::Tensor& labels);

 private:
  bool expect(bool holds, const std::string& rule) const;

  const SpikingNetwork& reference_;
  const SpikingNetwork& tested_;
  Rules rules_;
  std::ostream& log_;
};

}  // namespace hire_snn::parity
