#include "tollgate/base/task.hpp"

#include <array>
#include <new>

namespace tollgate::base {
namespace {

constexpr std::size_t kClassBytes = 128;
constexpr std::size_t kClasses = 32;  // frames up to 4 KiB
// Bounds what an idle thread holds on to, and covers what one turn of the loop frees: its calls end
// together, a hundred at a time.
constexpr std::size_t kKeepPerClass = 256;

struct FreeFrame {
  FreeFrame* next;
};

struct FrameList {
  FreeFrame* head;
  std::size_t count;
};

// A frame lives and dies on its worker, so the cache needs no lock. Nothing awaits while holding
// it. Plain memory: a thread_local with a constructor or a destructor is asked for by a call that
// checks whether it was made, at each use. Who frees it is CacheOwner.
constinit thread_local std::array<FrameList, kClasses> cache{};
constinit thread_local bool is_owned = false;

struct CacheOwner {
  ~CacheOwner() {
    for (FrameList& list : cache) {
      while (list.head != nullptr) {
        FreeFrame* const next = list.head->next;
        ::operator delete(list.head);
        list.head = next;
      }
      list.count = kKeepPerClass;  // what a later destructor gives back is not kept
    }
  }
};

/// A frame that the cache has not, or is too large for it. Makes sure that the thread frees what it
/// caches.
[[gnu::cold, gnu::noinline]] void* allocate_new(std::size_t size) {
  if (!is_owned) {
    static thread_local const CacheOwner owner;
    static_cast<void>(&owner);
    is_owned = true;
  }
  return ::operator new(size);
}

}  // namespace

void* frame_allocate(std::size_t size) {
  const std::size_t index = (size + kClassBytes - 1) / kClassBytes;
  if (index >= kClasses) [[unlikely]]
    return allocate_new(size);
  FrameList& list = cache[index];
  FreeFrame* const frame = list.head;
  if (frame == nullptr) [[unlikely]]
    return allocate_new(index * kClassBytes);
  list.head = frame->next;
  --list.count;
  return frame;
}

void frame_deallocate(void* frame, std::size_t size) noexcept {
  const std::size_t index = (size + kClassBytes - 1) / kClassBytes;
  // A thread that made no frame keeps none: nobody would free it.
  if (index >= kClasses || cache[index].count >= kKeepPerClass || !is_owned) [[unlikely]] {
    ::operator delete(frame);
    return;
  }
  FrameList& list = cache[index];
  list.head = ::new (frame) FreeFrame{list.head};
  ++list.count;
}

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
