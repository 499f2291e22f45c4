#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace hire_snn {

/// The thread that computes. Tasks run one after the other in the order of submission, which is what makes a
/// tensor's value available to every operation queued after the one that makes it (see Note [Queued
/// tensors]).
///
/// It is a thread of its own because libuv's four serve files and DNS for the whole process, and because
/// OpenMP's settings and libtorch's gradient mode belong to a thread.
class ComputeThread {
 public:
  using Task = std::function<void()>;

  ComputeThread();
  ~ComputeThread();
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  /// Never blocks. Tasks must not throw. After stop() they are kept but not run.
  void submit(Task task);

  /// Raises stopping(), waits for the task in progress and ends the thread. From any thread but this one, any
  /// number of times.
  void stop();

  /// stop() for every compute thread of the process.
  static void stop_all();

  /// Raised by stop(), for tasks that take long.
  std::shared_ptr<const std::atomic<bool>> stopping() const { return stopping_; }

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::shared_ptr<std::atomic<bool>> stopping_ = std::make_shared<std::atomic<bool>>(false);
  std::mutex joining_;
  std::thread thread_;
};

}  // namespace hire_snn
