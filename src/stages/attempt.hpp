#pragma once

#include <cstdint>
#include <string_view>

#include "tollgate/domain/routing/attempt_loop.hpp"
#include "tollgate/pipeline/context.hpp"

namespace tollgate::stages {

/// What one attempt came to.
enum class AttemptEnd : std::uint8_t {
  answered,     ///< something was sent to the agent: the call is over
  next,         ///< the loop decides what follows
  over,         ///< nothing may follow; the error is the loop's
  client_gone,  ///< or the gateway was told to stop: RequestContext::EarlyEnd
};

/// What breaking off an answer already begun is called: to the agent, in the attempt's row and in
/// the call's.
[[nodiscard]] base::ErrorCode code_of_break(pipeline::TransportFailure failure) noexcept;

/// The books of one attempt: its row in the record, its metrics, what the loop is told of it, and
/// what the provider may bill for it when it is given up.
///
/// Place: the router, one per exchange. Lifetime: shorter than call and loop, to which it refers.
/// Threads: the worker's.
class Attempt {
 public:
  /// Begins it: a row in the record, and nothing that was seen of an attempt before it.
  Attempt(pipeline::RequestContext& context, domain::routing::AttemptLoop& loop,
          std::size_t candidate);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  [[nodiscard]] pipeline::RequestContext& context() const noexcept { return context_; }
  /// Its number in the call, from 1, stale connections not counted.
  [[nodiscard]] unsigned number() const noexcept { return number_; }
  [[nodiscard]] const domain::routing::RoutableDeployment& target() const noexcept {
    return *context_.plan.candidates[candidate_].target;
  }
  [[nodiscard]] base::MonoTime started() const noexcept { return started_; }

  /// The agent gets an answer with this status, as far as it is the upstream's to give; the last of
  /// it was read at `at`.
  void succeeded(int status, base::MonoTime at);
  /// An error status came back. Says whether the agent gets to read it (final) or another attempt
  /// may follow.
  [[nodiscard]] domain::routing::Verdict answered_with_error(
      int status, const domain::routing::RetryHints& hints);
  /// What came with it could not be read to its end.
  void error_unread(pipeline::TransportFailure failure);
  /// A whole answer came, read to its end at `at`, and is none that may be passed on.
  void unreadable(int status, base::MonoTime at);
  /// The same for one that is empty where a response was due: charged as a failed one.
  void gave_nothing(int status, base::MonoTime at);
  /// The same of a model's answer, which another deployment may give.
  AttemptEnd discarded(int status, base::MonoTime at, std::uint64_t answer_bytes);
  /// It failed before anything went to the agent, `answer_bytes` into the answer's body; `status`
  /// is that of the answer's head, 0 when none came.
  AttemptEnd failed(const pipeline::UpstreamExchange& exchange, int status,
                    pipeline::TransportFailure failure, std::uint64_t answer_bytes = 0);
  /// The answer broke off after something of it had gone to the agent.
  void broke_off(int status, pipeline::TransportFailure failure);
  /// The agent left, or the gateway was told to stop, while the answer was under way.
  void cancelled(const pipeline::UpstreamExchange& exchange, int status);

 private:
  base::MonoTime end_unreadable(int status, base::MonoTime at);
  base::MonoTime end(base::MonoTime now, std::string_view outcome, int status,
                     telemetry::AttemptResult result, std::string_view error_code);
  base::MonoTime end(std::string_view outcome, int status, telemetry::AttemptResult result,
                     std::string_view error_code = {});

  pipeline::RequestContext& context_;
  domain::routing::AttemptLoop& loop_;
  std::size_t candidate_;
  std::size_t index_;  ///< in AuditRecord::attempts
  unsigned number_;
  base::MonoTime started_;
};

}  // namespace tollgate::stages
