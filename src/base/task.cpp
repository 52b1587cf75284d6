#include "tollgate/base/task.hpp"

#include <array>
#include <new>

namespace tollgate::base {
namespace detail {
namespace {

constexpr std::size_t kClassBytes = 128;
constexpr std::size_t kClasses = 32;       // frames up to 4 KiB
constexpr std::size_t kKeepPerClass = 64;  // bounds what an idle thread holds on to

struct FreeFrame {
  FreeFrame* next;
};

struct FrameCache {
  std::array<FreeFrame*, kClasses> heads{};
  std::array<std::size_t, kClasses> counts{};
  ~FrameCache() {
    for (FreeFrame* head : heads) {
      while (head != nullptr) {
        FreeFrame* const next = head->next;
        ::operator delete(head);
        head = next;
      }
    }
  }
};

// A frame lives and dies on its worker, so the cache needs no lock. Nothing awaits while holding
// it.
thread_local FrameCache cache;

}  // namespace

void* frame_allocate(std::size_t size) {
  const std::size_t index = (size + kClassBytes - 1) / kClassBytes;
  if (index >= kClasses) return ::operator new(size);
  FreeFrame*& head = cache.heads[index];
  if (head == nullptr) return ::operator new(index* kClassBytes);
  FreeFrame* const frame = head;
  head = frame->next;
  --cache.counts[index];
  return frame;
}

void frame_deallocate(void* frame, std::size_t size) noexcept {
  const std::size_t index = (size + kClassBytes - 1) / kClassBytes;
  if (index >= kClasses || cache.counts[index] >= kKeepPerClass) {
    ::operator delete(frame);
    return;
  }
  cache.heads[index] = ::new (frame) FreeFrame{cache.heads[index]};
  ++cache.counts[index];
}

}  // namespace detail

namespace {
TaskFailureHook failure_hook = nullptr;
}

void set_task_failure_hook(TaskFailureHook hook) noexcept {
  failure_hook = hook;
}

void report_task_failure(const char* name, std::exception_ptr error) noexcept {
  if (failure_hook != nullptr) failure_hook(name, std::move(error));
}

}  // namespace tollgate::base
