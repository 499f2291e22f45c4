#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace hire_snn {

/// The thread that computes. Tasks run one after the other in the order of submission, which is what makes a tensor's value
/// available to every operation queued after the one that makes it (see Note [Queued tensors]).
///
/// It is a thread of its own because libuv's four serve files and DNS for the whole process, and because OpenMP's settings
/// and libtorch's gradient mode belong to a thread.
class ComputeThread {
 public:
  using Task = std::function<void()>;

  ComputeThread();
  /// Waits for the task in progress; drops those that have not begun.
  ~ComputeThread();
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  /// Never blocks. Tasks must not throw.
  void submit(Task task);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hire_snn
