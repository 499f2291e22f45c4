#pragma once

#include <cstdint>
#include <vector>

namespace hire_snn {

/// The largest over the time steps of the kth largest of very many values, which are seen once and in any
/// order: of each step only those are kept that are above a bound, which rises as values come. What is found
/// is one of the values, the same whatever the order and the number of threads.
class LargestSums {
 public:
  /// @param k from 1
  LargestSums(std::int64_t timesteps, std::int64_t k);

  /// Bytes that one takes.
  static std::int64_t bytes(std::int64_t timesteps, std::int64_t k);

  /// @param rows [count][timestep][kBlock]
  /// @param lanes how many of a row's values count, from the first on
  void add(const float* rows, std::int64_t count, std::int64_t lanes, int threads);

  /// Minus infinity if no time step has so many numbers.
  float find();

 private:
  struct Step {
    std::vector<float> above;  // the values above the bound; after it has risen, also some that are not
    float least;               // a bound that the step's own values allow
  };

  void add_some(const float* rows, std::int64_t count, std::int64_t lanes, int threads);
  void narrow(Step& step) const;
  void raise();

  std::int64_t k_;
  std::int64_t portion_;  // rows that are added at a time
  float bound_;           // what is found is not below it
  std::vector<Step> steps_;
};

}  // namespace hire_snn
