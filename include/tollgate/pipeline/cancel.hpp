#pragma once

namespace tollgate::pipeline {

/// What a pending wait of a call does when the call is cancelled (the agent left, the deadline
/// passed, the gateway is told to stop). Synchronous, must not throw.
class CancelSlot {
 public:
  virtual ~CancelSlot() = default;
  virtual void on_cancel() noexcept = 0;
};

/// One per call: remembers that the call was cancelled and tells the one wait that is pending.
/// A call waits for one thing at a time, so one slot is enough. Threads: the worker's.
class CancelSignal {
 public:
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  void attach(CancelSlot* slot) noexcept {
    slot_ = slot;
    if (cancelled_ && slot_ != nullptr) slot_->on_cancel();
  }
  void detach() noexcept { slot_ = nullptr; }
  void cancel() noexcept {
    if (cancelled_) return;
    cancelled_ = true;
    if (slot_ != nullptr) slot_->on_cancel();
  }
  void reset() noexcept {
    cancelled_ = false;
    slot_ = nullptr;
  }

 private:
  CancelSlot* slot_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace tollgate::pipeline
