#pragma once

#include <cassert>
#include <coroutine>
#include <optional>
#include <utility>

#include "tollgate/base/task.hpp"

namespace tollgate::base {

/// Something that an interface begins and its caller awaits, without a coroutine frame in between.
///
/// A Task behind a virtual function costs a frame each time, which a stream pays per event. An
/// Operation is a member of what performs it, and is used again by the next call: one is awaited at
/// a time, which debug builds assert. So what the interface is given is taken when it is called,
/// and not when its result is awaited: await at once, and never hold two.
///
/// What is over at once resumes its caller by symmetric transfer. That is a tail call from -O2 on;
/// below, and under sanitizers, g++ nests a frame of the machine's stack for each, and a loop over
/// thousands that never wait runs out of it. Threads: as its owner.
template <class T>
class Operation {
 public:
  /// Begins it for `caller`, which is suspended. Returns who runs next: `caller` when it is over
  /// already, std::noop_coroutine() when `caller` will be resumed later.
  virtual std::coroutine_handle<> start(std::coroutine_handle<> caller) = 0;
  /// What it came to; once, when it is over.
  virtual T finish() = 0;

 protected:
  ~Operation() = default;
};

/// Awaits an Operation that outlives it.
template <class T>
class [[nodiscard]] Awaiting {
 public:
  explicit Awaiting(Operation<T>& operation) noexcept : operation_(&operation) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    return operation_->start(caller);
  }
  T await_resume() { return operation_->finish(); }

 private:
  Operation<T>* operation_;
};

/// An Operation for what is written more plainly as a coroutine, because it waits several times.
template <class T>
class TaskOperation final : public Operation<T> {
 public:
  /// The last one is over: its frame would be destroyed while something is to resume it.
  Operation<T>& run(Task<T> task) {
    assert(!task_);
    task_.emplace(std::move(task));
    return *this;
  }
  std::coroutine_handle<> start(std::coroutine_handle<> caller) override {
    return task_->await_suspend(caller);
  }
  T finish() override {
    // Out of the member first: what is resumed may begin the next one.
    Task<T> done = std::move(*task_);
    task_.reset();
    return done.await_resume();
  }

 private:
  std::optional<Task<T>> task_;
};

}  // namespace tollgate::base
