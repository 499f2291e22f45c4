#include "compute_thread.h"

#include <ATen/core/grad_mode.h>

namespace hire_snn {

ComputeThread::ComputeThread() : thread_([this] { run(); }) {}

ComputeThread::~ComputeThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ComputeThread::submit(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void ComputeThread::run() {
  // Gradients are computed by the engine's own backward passes: nothing here records a graph. (Not InferenceMode: its
  // tensors could never be handed to a TorchScript model that needs their gradient.)
  const at::NoGradGuard no_grad;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (stopping_) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // frees what the task held here, not under the lock
    lock.lock();
  }
}

}  // namespace hire_snn
