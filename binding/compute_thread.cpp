#include "compute_thread.h"

#include <ATen/core/grad_mode.h>

#include <set>

namespace hire_snn {
namespace {

/// The compute threads of all environments; see Note [Teardown] for why the process has to know them.
struct Registry {
  std::mutex mutex;
  std::set<ComputeThread*> threads;
};

Registry& registry() {
  // Never destroyed: a worker may end while the process is already running its static destructors.
  static auto* instance = new Registry;
  return *instance;
}

}  // namespace

ComputeThread::ComputeThread() : thread_([this] { run(); }) {
  const std::lock_guard lock(registry().mutex);
  registry().threads.insert(this);
}

ComputeThread::~ComputeThread() {
  {
    const std::lock_guard lock(registry().mutex);
    registry().threads.erase(this);
  }
  stop();
}

void ComputeThread::submit(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void ComputeThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_->store(true);
  }
  wake_.notify_one();
  const std::lock_guard lock(joining_);
  if (thread_.joinable()) thread_.join();
}

void ComputeThread::stop_all() {
  const std::lock_guard lock(registry().mutex);
  for (ComputeThread* thread : registry().threads) thread->stop();
}

void ComputeThread::run() {
  // Gradients are computed by the engine's own backward passes: nothing here records a graph. (Not
  // InferenceMode: its tensors could never be handed to a TorchScript model that needs their gradient.)
  const at::NoGradGuard no_grad;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return *stopping_ || !tasks_.empty(); });
    if (*stopping_) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // frees what the task held here, not under the lock
    lock.lock();
  }
}

}  // namespace hire_snn
