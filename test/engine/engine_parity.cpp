// Compares engines with each other and with the step-by-step reference, without Node.
//
//   engine_parity small [--device DEVICE]             random small networks beside the plain engine
//   engine_parity fixture FILE [--device DEVICE]      a network of scripts/gpu/make_fixtures.py, the same and beside
//                                                     the reference's logits and gradients
//   engine_parity bench FILE [--device DEVICE]        seconds of a forward pass and of a gradient, as JSON
//   engine_parity threads                             the multi-step engine on several threads at once
//
// DEVICE: emulated (the CUDA engine's kernels on the host), cuda, cuda:1, multistep; --tf32 for the first two.
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>

#include "compare.h"
#include "engine/cuda/cuda_network.h"
#include "engine/cuda/emulation/emulated_device.h"
#include "engine/cuda/nvidia_device.h"
#include "engine/multistep/multistep_network.h"
#include "engine/plain/plain_network.h"
#include "fixture.h"
#include "small_networks.h"
#include "threads.h"
#include "training.h"

namespace hire_snn::parity {
namespace {

struct Arguments {
  std::string command;
  std::string file;
  std::string device = "emulated";
  bool tf32 = false;
};

/// Which GPU --device names, if it names one.
std::optional<int> gpu_of(const std::string& device) {
  const std::string prefix = "cuda";
  if (device.rfind(prefix, 0) != 0) return std::nullopt;
  const std::string rest = device.substr(prefix.size());
  return rest.empty() ? 0 : std::stoi(rest.substr(1));
}

std::unique_ptr<SpikingNetwork> make_tested(const NetworkPlan& plan, const Arguments& arguments) {
  const cuda::KernelOptions options{plan.surrogate, arguments.tf32};
  if (arguments.device == "multistep") return make_multistep_network(plan, {});
  if (arguments.device == "emulated") return cuda::make_cuda_network(plan, cuda::make_emulated_device(options));
  if (const auto gpu = gpu_of(arguments.device)) {
    return cuda::make_cuda_network(plan, cuda::make_nvidia_device(*gpu, options));
  }
  throw std::runtime_error("Expected emulated, cuda, cuda:N or multistep for --device but found " +
                           arguments.device);
}

/// With products of 11 bits, errors are some thousand times as large.
Rules rules(bool tf32) {
  if (!tf32) return {};
  return {.weighted_sums = 5e-3,
          .at_threshold = 5e-3,
          .logits = 5e-3,
          .losses = 1e-2,
          .gradients = 2e-2,
          .signs = 0.95,
          .images = 0};
}

bool compare(const std::string& name, const NetworkPlan& plan, const at::Tensor& images, const at::Tensor& labels,
             const Arguments& arguments) {
  const auto reference = make_plain_network(plan);
  const auto tested = make_tested(plan, arguments);
  std::cout << name << ", " << tested->kernels() << "\n";
  Comparison comparison(*reference, *tested, rules(arguments.tf32), std::cout);
  const bool layers = comparison.layers(images);
  const bool whole = comparison.whole(images, labels);
  return comparison.bits(images, labels) && layers && whole;
}

bool run_small(const Arguments& arguments) {
  bool all = true;
  for (const Case& each : small_cases()) {
    // Products know nothing of surrogates: one of them is enough for a second kind of product.
    if (arguments.tf32 && each.plan.surrogate.shape != SurrogateShape::kPiecewiseLinear) continue;
    all &= compare(each.name, each.plan, each.images, each.labels, arguments);
  }
  return all;
}

bool run_fixture(const Arguments& arguments) {
  const Fixture fixture = read_fixture(arguments.file);
  const std::int64_t count = fixture.logits.size(0);
  const at::Tensor images = fixture.images.narrow(0, 0, count);
  const at::Tensor labels = fixture.labels.narrow(0, 0, count);
  bool holds = compare(fixture.name, fixture.plan, images, labels, arguments);

  // The reference's spikes are not in the file: images that agree in their logits to rounding have them in common.
  const LossGradient found = make_tested(fixture.plan, arguments)->input_gradient(images, labels, {});
  const at::Tensor difference = found.logits.sub(fixture.logits).abs().amax(1).div(fixture.logits.abs().amax(1));
  const at::Tensor close = difference.lt(1e-5).nonzero().flatten();
  const at::Tensor signs = found.gradient.index_select(0, close).sign().ne(
      fixture.gradient.index_select(0, close).sign());
  const auto differing = signs.sum().item<std::int64_t>();
  std::cout << "  beside the step-by-step reference: logits of " << close.size(0) << " of " << count
            << " images agree within 1e-5; of their gradients' signs " << differing << " of " << signs.numel()
            << " differ\n";
  const Rules limits = rules(arguments.tf32);
  if (static_cast<double>(close.size(0)) < limits.images * static_cast<double>(count) ||
      static_cast<double>(differing) > (1 - limits.signs) * static_cast<double>(signs.numel())) {
    std::cout << "  BROKEN: beside the step-by-step reference\n";
    holds = false;
  }
  return holds;
}

/// The median of five, after two that warm up.
template <typename Work>
double median_seconds(const Work& work) {
  std::vector<double> seconds;
  for (int i = 0; i < 7; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (i >= 2) seconds.push_back(taken.count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + 2, seconds.end());
  return seconds[2];
}

bool run_bench(const Arguments& arguments) {
  const Fixture fixture = read_fixture(arguments.file);
  const auto network = make_tested(fixture.plan, arguments);
  for (const std::int64_t batch : {1, 8, 32, 128, 256}) {
    const std::int64_t repeats = (batch + fixture.images.size(0) - 1) / fixture.images.size(0);
    const at::Tensor images = fixture.images.repeat({repeats, 1, 1, 1}).narrow(0, 0, batch).contiguous();
    const at::Tensor labels = fixture.labels.repeat({repeats}).narrow(0, 0, batch).contiguous();
    // Results are copied to the host, so that both end with the work.
    const double forward = median_seconds([&] { network->evaluate(images, {}); });
    const double step = median_seconds([&] { network->input_gradient(images, labels, {}); });
    std::cout << "{\"engine\": \"" << network->kernels() << "\", \"network\": \""
              << fixture.name << "\", \"batch\": " << batch << ", \"forward\": " << forward
              << ", \"step\": " << step << "}\n";
    if (batch != 32) continue;
    for (const LayerProfile& layer : network->profile()) {
      std::cout << "{\"layer\": \"" << layer.name << "\", \"density\": " << layer.density
                << ", \"forward\": " << layer.forward_seconds << ", \"backward\": " << layer.backward_seconds
                << "}\n";
    }
  }
  return true;
}

std::optional<Arguments> parse(int count, char** texts) {
  Arguments arguments;
  std::vector<std::string> words;
  for (int i = 1; i < count; ++i) {
    const std::string text = texts[i];
    if (text == "--tf32") {
      arguments.tf32 = true;
    } else if (text == "--device" && i + 1 < count) {
      arguments.device = texts[++i];
    } else {
      words.push_back(text);
    }
  }
  if (words.empty()) return std::nullopt;
  arguments.command = words[0];
  const bool file = arguments.command == "fixture" || arguments.command == "bench";
  const auto commands = {"small", "threads", "training", "fixture", "bench"};
  if (std::find(commands.begin(), commands.end(), arguments.command) == commands.end()) return std::nullopt;
  if (words.size() != (file ? 2U : 1U)) return std::nullopt;
  if (file) arguments.file = words[1];
  return arguments;
}

int run(int count, char** texts) {
  const auto arguments = parse(count, texts);
  if (!arguments) {
    std::cerr << "engine_parity small | threads | training | fixture FILE | bench FILE, with --device "
                 "emulated|cuda[:N]|multistep, --tf32\n";
    return 2;
  }
  try {
    const bool holds = arguments->command == "small"      ? run_small(*arguments)
                       : arguments->command == "threads"  ? run_on_threads(std::cout)
                       : arguments->command == "training" ? run_training(gpu_of(arguments->device), std::cout)
                       : arguments->command == "fixture"  ? run_fixture(*arguments)
                                                          : run_bench(*arguments);
    std::cout << (holds ? "all rules hold\n" : "rules are broken\n");
    return holds ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}

}  // namespace
}  // namespace hire_snn::parity

int main(int count, char** texts) { return hire_snn::parity::run(count, texts); }
