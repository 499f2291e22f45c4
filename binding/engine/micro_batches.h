#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace hire_snn {

// Note [Micro-batches]. libtorch's convolutions and matrix products choose their kernels, and with them the
// order of their sums, by the size of the batch, so a sample's bits would depend on how many others it is
// computed with. Every call into libtorch therefore has one fixed batch size: a batch is cut into
// micro-batches, the last one padded with zeros. Within one, each image's sums have the same order at every
// position: true of libtorch's convolutions, and of its matrix products where both dimensions of the weight
// are multiples of 16 (with 9 or 33 inputs, say, every fourth row is summed in another order), so the plain
// engine pads the weights of linear layers with zeros to that. A script's weights are its own: there, an
// image's place in the batch can show in the last bits of its logits.

/// Images of a micro-batch, unless there is a reason for another number.
constexpr std::int64_t kMicroBatch = 8;

/// `batch` with zeros behind it along `dimension`, up to the next multiple of `size`.
inline at::Tensor padded_batch(const at::Tensor& batch, std::int64_t dimension, std::int64_t size) {
  const std::int64_t missing = (size - batch.size(dimension) % size) % size;
  if (missing == 0) return batch;
  auto shape = batch.sizes().vec();
  shape[static_cast<std::size_t>(dimension)] = missing;
  return at::cat({batch, at::zeros(shape, batch.options())}, dimension);
}

/// Calls `work(micro_batch, first, samples)` for each micro-batch of `size` along `dimension` of `batch`; the
/// last one is padded with zeros, of which only `samples` images are real. See Note [Micro-batches].
template <typename Work>
void for_each_micro_batch(const at::Tensor& batch, std::int64_t dimension, std::int64_t size,
                          const Work& work) {
  for (std::int64_t first = 0; first < batch.size(dimension); first += size) {
    const std::int64_t samples = std::min(size, batch.size(dimension) - first);
    const at::Tensor micro_batch = padded_batch(batch.narrow(dimension, first, samples), dimension, size);
    work(micro_batch.contiguous(), first, samples);
  }
}

}  // namespace hire_snn
