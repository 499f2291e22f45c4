#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "engine/large_pages.h"

namespace hire_snn {

/// Memory at the start of a cache line that grows and is used again; its contents are not kept in growing and
/// not set in the beginning.
template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::int64_t count) { reserve(count); }

  /// Throws std::bad_alloc.
  T* reserve(std::int64_t count) {
    if (count > count_) {
      data_.reset();
      count_ = 0;
      data_.reset(static_cast<T*>(aligned_memory(static_cast<std::size_t>(count) * sizeof(T))));
      count_ = count;
    }
    return data_.get();
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  bool empty() const { return count_ == 0; }
  std::int64_t bytes() const { return count_ * static_cast<std::int64_t>(sizeof(T)); }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };

  std::unique_ptr<T, Free> data_;
  std::int64_t count_ = 0;
};

}  // namespace hire_snn
