#include "largest_sums.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "engine/multistep/kernels/kernels.h"
#include "engine/multistep/thread_team.h"

namespace hire_snn {
namespace {

/// Time steps that a thread takes together at most: the values of several lie side by side.
constexpr std::int64_t kGroup = 8;

/// Rows in a portion: as many as hold about half of what is looked for.
std::int64_t portion_of(std::int64_t k) { return std::max<std::int64_t>(256, k / (2 * kBlock)); }

/// How many values a step keeps before it lets go of those below its kth largest.
std::int64_t limit_of(std::int64_t k) { return std::max<std::int64_t>(1024, 2 * k); }

std::int64_t capacity_of(std::int64_t k) { return limit_of(k) + portion_of(k) * kBlock; }

/// Few rows have a value above the bound, once it has risen.
void add_row(const float* row, std::int64_t lanes, float bound, std::vector<float>& to) {
  int some = 0;
  if (lanes == kBlock) {
    for (std::int64_t i = 0; i < kBlock; ++i) some |= row[i] > bound;
  } else {
    for (std::int64_t i = 0; i < lanes; ++i) some |= row[i] > bound;
  }
  if (!some) return;
  for (std::int64_t i = 0; i < lanes; ++i) {
    if (row[i] > bound) to.push_back(row[i]);
  }
}

}  // namespace

LargestSums::LargestSums(std::int64_t timesteps, std::int64_t k)
    : k_(k), portion_(portion_of(k)), bound_(-std::numeric_limits<float>::infinity()) {
  steps_.resize(static_cast<std::size_t>(timesteps), {{}, bound_});
  // No thread of a team may run out of memory.
  for (Step& step : steps_) step.above.reserve(static_cast<std::size_t>(capacity_of(k)));
}

std::int64_t LargestSums::bytes(std::int64_t timesteps, std::int64_t k) {
  return timesteps * capacity_of(k) * static_cast<std::int64_t>(sizeof(float));
}

void LargestSums::add(const float* rows, std::int64_t count, std::int64_t lanes, int threads) {
  const std::int64_t row = static_cast<std::int64_t>(steps_.size()) * kBlock;
  for (std::int64_t first = 0; first < count; first += portion_) {
    add_some(rows + first * row, std::min(portion_, count - first), lanes, threads);
  }
}

void LargestSums::add_some(const float* rows, std::int64_t count, std::int64_t lanes, int threads) {
  const auto timesteps = static_cast<std::int64_t>(steps_.size());
  const std::int64_t group = std::clamp<std::int64_t>(timesteps / (2 * threads), 1, kGroup);
  ThreadTeam::shared().run((timesteps + group - 1) / group, threads, [&](std::int64_t index, int) {
    const std::int64_t first = index * group;
    const std::int64_t last = std::min(timesteps, first + group);
    for (std::int64_t row = 0; row < count; ++row) {
      for (std::int64_t t = first; t < last; ++t) {
        add_row(rows + (row * timesteps + t) * kBlock, lanes, bound_,
                steps_[static_cast<std::size_t>(t)].above);
      }
    }
    for (std::int64_t t = first; t < last; ++t) {
      Step& step = steps_[static_cast<std::size_t>(t)];
      if (static_cast<std::int64_t>(step.above.size()) >= limit_of(k_)) narrow(step);
    }
  });
  raise();
}

/// Lets go of values that are not above the bound, or not above the kth largest of the step: so many are at
/// least as large.
void LargestSums::narrow(Step& step) const {
  std::vector<float>& above = step.above;
  const auto drop = [&](float bound) {
    above.erase(std::remove_if(above.begin(), above.end(), [&](float value) { return !(value > bound); }),
                above.end());
  };
  drop(bound_);
  if (static_cast<std::int64_t>(above.size()) < k_) return;
  const auto kth = above.begin() + (k_ - 1);
  std::nth_element(above.begin(), kth, above.end(), std::greater<>());
  step.least = *kth;
  drop(step.least);
}

void LargestSums::raise() {
  for (const Step& step : steps_) bound_ = std::max(bound_, step.least);
}

float LargestSums::find() {
  for (Step& step : steps_) narrow(step);
  raise();
  return bound_;
}

}  // namespace hire_snn
