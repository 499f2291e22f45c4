#include "large_pages.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace hire_snn {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void* aligned_memory(std::size_t bytes) {
  // Weights are read row by row in the order of events, and optimizers pass over all there is: with pages of
  // 4 KB, many accesses would wait for their address.
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, size);
  if (!memory) throw std::bad_alloc();
#if defined(__linux__)
  // Only a hint: where it is not followed, pages are small.
  if (alignment == kHugePage) madvise(memory, size, MADV_HUGEPAGE);
#endif
  return memory;
}

at::Tensor zeros_in_large_pages(const at::Tensor& like) {
  if (!like.is_cpu()) return at::zeros_like(like);
  void* memory = aligned_memory(std::max<std::size_t>(like.nbytes(), 1));
  return at::from_blob(memory, like.sizes(), [](void* used) { std::free(used); }, like.options()).zero_();
}

}  // namespace hire_snn
