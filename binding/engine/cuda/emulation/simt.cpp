#include "simt.h"

#include <c10/util/Half.h>
#include <ucontext.h>
#include <csetjmp>

#include <array>
#include <exception>
#include <memory>
#include <stdexcept>
#include <vector>

namespace hire_snn::cuda::emulation {
namespace {

constexpr std::size_t kStackBytes = std::size_t{64} << 10;
constexpr int kWarps = kThreads / kWarp;

/// A place where a number of threads meet, again and again.
struct Meeting {
  int expected = 0;  // threads that still run
  int arrived = 0;
  std::uint64_t times = 0;

  void leave() {
    --expected;
    close_if_complete();
  }
  void close_if_complete() {
    if (arrived == 0 || arrived < expected) return;
    arrived = 0;
    ++times;
  }
};

struct Fiber {
  ucontext_t context;  // where it starts
  std::jmp_buf place;  // where it gave way
  bool started = false;
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStackBytes);
  bool done = true;
  int exchanges = 0;
};

struct Warp {
  Meeting meeting;
  // Two of each: the first threads may bring the next values while the last still read these.
  std::array<std::array<std::uint64_t, kWarp>, 2> values;
  std::array<std::array<Fragments, kWarp>, 2> fragments;
};

struct Block {
  std::vector<Fiber> fibers = std::vector<Fiber>(kThreads);
  std::array<Warp, kWarps> warps;
  Meeting meeting;
  std::jmp_buf scheduler;
  const std::function<void()>* kernel = nullptr;
  std::exception_ptr failure;
  std::uint64_t progress = 0;  // arrivals and ends of threads
  int x = 0;
  int y = 0;
  int current = 0;
};

Block& block() {
  static Block the_block;
  return the_block;
}

Fiber& fiber() { return block().fibers[static_cast<std::size_t>(block().current)]; }
Warp& warp() { return block().warps[static_cast<std::size_t>(block().current / kWarp)]; }

// setcontext makes a system call each time, to restore signals: it only starts a fiber. From there on, jumps
// lead from stack to stack.
void give_way() {
  if (_setjmp(fiber().place) == 0) _longjmp(block().scheduler, 1);
}

void resume(Fiber& fiber) {
  if (_setjmp(block().scheduler) != 0) return;
  if (fiber.started) _longjmp(fiber.place, 1);
  fiber.started = true;
  setcontext(&fiber.context);
}

void meet(Meeting& meeting) {
  const std::uint64_t time = meeting.times;
  ++meeting.arrived;
  ++block().progress;
  meeting.close_if_complete();
  while (meeting.times == time) give_way();
}

void run_fiber() {
  try {
    (*block().kernel)();
  } catch (...) {
    block().failure = std::current_exception();
  }
  fiber().done = true;
  ++block().progress;
  block().meeting.leave();
  warp().meeting.leave();
  give_way();
}

void start(Fiber& fiber) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  fiber.started = false;
  fiber.done = false;
  fiber.exchanges = 0;
  makecontext(&fiber.context, &run_fiber, 0);
}

}  // namespace

void run_block(int x, int y, const std::function<void()>& kernel) {
  Block& running = block();
  running.kernel = &kernel;
  running.failure = nullptr;
  running.x = x;
  running.y = y;
  running.meeting = {.expected = kThreads};
  for (Warp& warp : running.warps) warp.meeting = {.expected = kWarp};
  for (Fiber& fiber : running.fibers) start(fiber);
  for (bool some = true; some;) {
    some = false;
    const std::uint64_t before = running.progress;
    for (int i = 0; i < kThreads; ++i) {
      Fiber& fiber = running.fibers[static_cast<std::size_t>(i)];
      if (fiber.done) continue;
      some = true;
      running.current = i;
      resume(fiber);
    }
    if (some && running.progress == before) {
      throw std::logic_error("The threads of a block wait for each other at different places");
    }
  }
  if (running.failure) std::rethrow_exception(running.failure);
}

int thread_index() { return block().current; }
int block_x() { return block().x; }
int block_y() { return block().y; }
void meet_block() { meet(block().meeting); }

const std::uint64_t* exchange_in_warp(std::uint64_t mine) {
  auto& values = warp().values[static_cast<std::size_t>(fiber().exchanges++ % 2)];
  values[static_cast<std::size_t>(thread_index() % kWarp)] = mine;
  meet(warp().meeting);
  return values.data();
}

const Fragments* exchange_fragments(const Fragments& mine) {
  auto& fragments = warp().fragments[static_cast<std::size_t>(fiber().exchanges++ % 2)];
  fragments[static_cast<std::size_t>(thread_index() % kWarp)] = mine;
  meet(warp().meeting);
  return fragments.data();
}

Word half_bits(float value) { return c10::Half(value).x; }
float half_value(Word bits) {
  return static_cast<float>(c10::Half(static_cast<unsigned short>(bits), c10::Half::from_bits()));
}

}  // namespace hire_snn::cuda::emulation
