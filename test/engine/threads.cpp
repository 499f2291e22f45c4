#include "threads.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/multistep/multistep_network.h"
#include "small_networks.h"

namespace hire_snn::parity {
namespace {

constexpr int kCallers = 4;
constexpr int kRounds = 3;

/// What one thread alone computes.
struct Expected {
  Evaluation evaluation;
  LossGradient gradient;
};

bool same(const at::Tensor& a, const at::Tensor& b) { return at::equal(a, b); }

bool as_expected(const SpikingNetwork& network, const Case& each, const Expected& expected) {
  const Evaluation evaluation = network.evaluate(each.images, {});
  const LossGradient gradient = network.input_gradient(each.images, each.labels, {});
  return same(evaluation.logits, expected.evaluation.logits) &&
         same(evaluation.counts, expected.evaluation.counts) &&
         same(gradient.gradient, expected.gradient.gradient) &&
         same(gradient.losses, expected.gradient.losses) && same(gradient.counts, expected.gradient.counts);
}

/// Whether a pass that is told to stop from another thread stops, or was done before.
bool stops(const SpikingNetwork& network, const Case& each) {
  Cancellation cancellation;
  std::thread other([&cancellation] { cancellation.request(); });
  bool stopped = true;
  try {
    network.input_gradient(each.images, each.labels, cancellation);
  } catch (const CodedError& error) {
    stopped = error.code() == "ABORTED";
  }
  other.join();
  return stopped;
}

}  // namespace

bool run_on_threads(std::ostream& out) {
  bool all = true;
  for (const Case& each : small_cases()) {
    at::set_num_threads(1);
    const std::shared_ptr<const SpikingNetwork> shared = make_multistep_network(each.plan, {});
    const Expected expected{shared->evaluate(each.images, {}),
                            shared->input_gradient(each.images, each.labels, {})};
    std::atomic<int> differing = 0;
    std::vector<std::thread> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&, caller] {
        at::set_num_threads(1 + caller);
        const std::shared_ptr<const SpikingNetwork> network =
            caller % 2 == 0 ? shared : std::shared_ptr(make_multistep_network(each.plan, {}));
        for (int round = 0; round < kRounds; ++round) {
          if (!as_expected(*network, each, expected)) ++differing;
          if (!stops(*network, each)) ++differing;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    out << each.name << ": " << kCallers << " threads, " << differing << " differing results\n";
    all &= differing == 0;
  }
  return all;
}

}  // namespace hire_snn::parity
