#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "tollgate/base/frame_memory.hpp"

namespace tollgate::base {

namespace detail {
struct PromiseBase {
  std::coroutine_handle<> continuation;
  std::exception_ptr exception;

  static void* operator new(std::size_t size) { return frame_allocate(size); }
  static void operator delete(void* frame, std::size_t size) noexcept {
    frame_deallocate(frame, size);
  }

  struct FinalAwaiter {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      const auto next = done.promise().continuation;
      return next ? next : std::coroutine_handle<>(std::noop_coroutine());
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};
}  // namespace detail

/// A lazily started coroutine that is awaited exactly once, on the thread that made it.
///
/// Why not asio::awaitable: stages and the relay are written against interfaces, without Asio, so
/// that they can be tested with scripted IO; and an operation costs no frame of its own
/// (docs/adr/0003-task.md). A Task never cancels by itself: whoever owns the IO ends it, and the
/// awaiting code sees an error value.
///
/// Lifetime: destroying a Task that is suspended destroys its frame; the IO it waits for must have
/// been cancelled and have completed before. Rules for g++ 12: no aggregate temporaries and no
/// capturing lambdas inside a full expression with co_await; parameters by value or references to
/// objects that outlive the Task.
template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type : detail::PromiseBase {
    std::optional<T> value;
    Task get_return_object() noexcept {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    template <class U>
    void return_value(U&& v) {
      value.emplace(std::forward<U>(v));
    }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().continuation = caller;
    return handle_;
  }
  T await_resume() {
    auto& promise = handle_.promise();
    if (promise.exception) std::rethrow_exception(promise.exception);
    return std::move(*promise.value);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

template <>
class [[nodiscard]] Task<void> {
 public:
  struct promise_type : detail::PromiseBase {
    Task get_return_object() noexcept {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    void return_void() noexcept {}
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().continuation = caller;
    return handle_;
  }
  void await_resume() {
    if (handle_.promise().exception) std::rethrow_exception(handle_.promise().exception);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

/// A root coroutine: starts at once, destroys itself at its end. Only `spawn` makes one.
class DetachedTask {
 public:
  struct promise_type {
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept {
      frame_deallocate(frame, size);
    }
    DetachedTask get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    /// `spawn` catches everything; getting here is a bug worth a core dump.
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

/// Called with the name of a root task that ended by an exception; logs and counts. Set once at
/// start-up, before any thread runs.
using TaskFailureHook = void (*)(const char* name, std::exception_ptr error) noexcept;
void set_task_failure_hook(TaskFailureHook hook) noexcept;
void report_task_failure(const char* name, std::exception_ptr error) noexcept;

/// Runs `task` to its end on this thread; an exception is reported, never lost.
inline DetachedTask spawn(const char* name, Task<void> task) {
  std::exception_ptr failure;
  try {
    co_await task;
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) report_task_failure(name, failure);
}

}  // namespace tollgate::base
