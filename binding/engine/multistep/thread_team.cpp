#include "thread_team.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hire_snn {
namespace {

constexpr std::uint64_t kWorkersMask = 0xffff;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until `changed()`; a few ten microseconds awake, the time between two portions of a pass, then
/// asleep.
template <typename Value, typename Changed>
void wait(const std::atomic<Value>& value, const Changed& changed) {
  for (int spin = 0; spin < 2000; ++spin) {
    if (changed(value.load(std::memory_order_acquire))) return;
    pause();
  }
  for (Value seen = value.load(std::memory_order_acquire); !changed(seen);
       seen = value.load(std::memory_order_acquire)) {
    value.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace

ThreadTeam& ThreadTeam::shared() {
  // Never destroyed: a thread that still waits when the process ends must find its team.
  static auto* const team = new ThreadTeam();
  return *team;
}

void ThreadTeam::run(const Job& job, int threads) {
  const auto workers = static_cast<int>(std::min<std::int64_t>(std::clamp(threads, 1, 1024), job.count));
  std::unique_lock lock(in_use_, std::defer_lock);
  if (workers <= 1 || !lock.try_lock()) {
    for (std::int64_t index = 0; index < job.count; ++index) job.portion(job.context, index, 0);
    return;
  }
  while (static_cast<int>(members_.size()) < workers - 1) {
    const int worker = static_cast<int>(members_.size()) + 1;
    members_.emplace_back(&ThreadTeam::member, this, worker, call_.load(std::memory_order_relaxed));
  }
  job_ = job;
  next_.store(0, std::memory_order_relaxed);
  working_.store(workers - 1, std::memory_order_relaxed);
  const std::uint64_t call = (call_.load(std::memory_order_relaxed) | kWorkersMask) + 1;
  call_.store(call | static_cast<std::uint64_t>(workers), std::memory_order_release);
  call_.notify_all();
  work_on(job, 0);
  wait(working_, [](int working) { return working == 0; });
}

void ThreadTeam::work_on(const Job& job, int worker) {
  for (;;) {
    const std::int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= job.count) return;
    job.portion(job.context, index, worker);
  }
}

void ThreadTeam::member(int worker, std::uint64_t seen) {
  for (;;) {
    wait(call_, [seen](std::uint64_t call) { return call != seen; });
    seen = call_.load(std::memory_order_acquire);
    if (worker >= static_cast<int>(seen & kWorkersMask)) continue;
    work_on(job_, worker);
    if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_all();
  }
}

}  // namespace hire_snn
