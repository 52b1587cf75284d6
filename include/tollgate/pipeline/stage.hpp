#pragma once

#include <optional>
#include <string_view>

#include "tollgate/base/error.hpp"
#include "tollgate/base/task.hpp"

namespace tollgate::pipeline {

class RequestContext;
class StreamEvent;
class Answer;

/// A stage's word on a call: go on, or answer the agent with an error.
class Verdict {
 public:
  static Verdict proceed() { return Verdict(); }
  static Verdict refuse(base::Error error) { return Verdict(std::move(error)); }
  [[nodiscard]] bool refused() const noexcept { return error_.has_value(); }
  [[nodiscard]] base::Error& error() noexcept { return *error_; }

 private:
  Verdict() = default;
  explicit Verdict(base::Error error) : error_(std::move(error)) {}
  std::optional<base::Error> error_;
};

/// A stage's word on a request: at once, or by a coroutine when it may have to wait.
///
/// Most stages never wait, and a coroutine's frame for each of them would cost more than what it
/// decides.
class Decision {
 public:
  Decision(Verdict verdict) : verdict_(std::move(verdict)) {}              // NOLINT: by design
  Decision(base::Task<Verdict> waiting) : waiting_(std::move(waiting)) {}  // NOLINT: by design
  /// Whether `verdict` is there; else `waiting` is to be awaited.
  [[nodiscard]] bool made() const noexcept { return !waiting_; }
  [[nodiscard]] Verdict& verdict() noexcept { return verdict_; }
  [[nodiscard]] base::Task<Verdict>& waiting() noexcept { return *waiting_; }

 private:
  Verdict verdict_ = Verdict::proceed();
  std::optional<base::Task<Verdict>> waiting_;
};

/// What a stage keeps for one call beyond the fields of RequestContext; only that stage looks
/// inside.
class StageState {
 public:
  virtual ~StageState() = default;
};

/// One of the six steps of the pipeline.
///
/// Lifetime: one object per worker, shared by its calls; all state of a call is in RequestContext.
/// Threads:  the worker's only. Order: request hooks run in list order; answer and event hooks in
/// reverse; completion in list order. No hook may throw.
class Stage {
 public:
  virtual ~Stage() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// The head is parsed, the body not read: refuse here what needs no body. Synchronous.
  virtual Verdict on_head(RequestContext&) { return Verdict::proceed(); }

  /// Whether on_request does anything here; asked once. The last stage that does may wait without a
  /// coroutine of the chain's around it.
  [[nodiscard]] virtual bool sees_requests() const noexcept { return true; }

  /// The body is read and parsed. May await (Decision). After a refusal no later stage is asked,
  /// the refusal is answered in the caller's dialect, and every stage still completes.
  virtual Decision on_request(RequestContext& context) = 0;

  /// A whole answer is about to be sent: an upstream's JSON, or one of ours. May rewrite its body.
  /// A refusal replaces the answer.
  virtual Verdict on_answer(RequestContext&, Answer&) { return Verdict::proceed(); }

  /// Whether on_event or on_stream_end does anything here; asked once. A stage that says no is not
  /// called for every token of every stream.
  [[nodiscard]] virtual bool sees_events() const noexcept { return true; }

  /// One event of a stream is about to be sent. Synchronous, no IO: runs once per token. May
  /// replace or drop the event, or end the stream (StreamEvent says how).
  virtual void on_event(RequestContext&, StreamEvent&) {}

  /// The stream's last event has been seen (or its upstream died): release what is held back.
  virtual void on_stream_end(RequestContext&, StreamEvent&) {}

  /// Exactly once per call, whatever happened, for every stage, entered or not. Must not block.
  virtual void on_complete(RequestContext&) noexcept {}
};

}  // namespace tollgate::pipeline
