#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace hire_snn {

/// Threads that stay, for work that comes in portions of a fraction of a millisecond: starting threads, or
/// waking them through the operating system, would cost as much as the work. One team serves the process;
/// while one caller has it, another does its portions alone, so that callers never wait for each other.
class ThreadTeam {
 public:
  static ThreadTeam& shared();

  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  /// Calls `work(index, worker)` once for every index from 0 to count - 1, from at most `threads` threads, of
  /// which the caller is one, and returns when all are done. `worker` is below `threads` and never the same
  /// in two threads at a time. Which thread does what is left to chance, so results must not depend on it.
  ///
  /// @param work must not throw
  template <typename Work>
  void run(std::int64_t count, int threads, const Work& work) {
    const auto portion = [](const void* context, std::int64_t index, int worker) {
      (*static_cast<const Work*>(context))(index, worker);
    };
    run(Job{portion, &work, count}, threads);
  }

 private:
  struct Job {
    void (*portion)(const void* context, std::int64_t index, int worker);
    const void* context;
    std::int64_t count;
  };

  ThreadTeam() = default;
  void run(const Job& job, int threads);
  void work_on(const Job& job, int worker);
  void member(int worker, std::uint64_t seen);

  std::mutex in_use_;
  std::vector<std::thread> members_;
  Job job_{};
  std::atomic<std::int64_t> next_{0};
  // The number of the job, and in its low 16 bits the number of workers: a member learns both at once.
  std::atomic<std::uint64_t> call_{0};
  std::atomic<int> working_{0};  // members that have not finished the job
};

}  // namespace hire_snn
