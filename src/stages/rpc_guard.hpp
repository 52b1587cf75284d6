#pragma once

#include <string>
#include <vector>

#include "stages/text_scan.hpp"
#include "tollgate/domain/policy/rule_set.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/stream_event.hpp"

namespace tollgate::stages {

/// The guardrails of MCP and A2A calls: which texts of a message are read, and what becomes of
/// them. Called by the policy stage only, and only when rules apply in that direction.
///
/// Lifetime: of the stage (one per worker); between two calls it holds scratch memory only, what a
/// stream carries over is in context.policy_state (RpcStreamGuard).
class RpcGuard {
 public:
  /// `scan` outlives it.
  explicit RpcGuard(TextScan& scan) : scan_(scan) {}

  /// Scans a parsed request; masks go to context.edits.
  [[nodiscard]] pipeline::Verdict inspect_request(pipeline::RequestContext& context);
  /// Scans a parsed answer and masks in its body. `answer.document` must be there.
  [[nodiscard]] pipeline::Verdict inspect_answer(pipeline::RequestContext& context,
                                                 pipeline::Answer& answer);
  /// Scans one event of a stream; masks go to event.edits, text held back before goes to
  /// event.before.
  void inspect_event(pipeline::RequestContext& context, pipeline::StreamEvent& event);
  /// The stream is over: what was held back goes to event.before.
  void end_stream(pipeline::RequestContext& context, pipeline::StreamEvent& event);

 private:
  void collect(const pipeline::RequestContext& context, const protocol::jsonrpc::Message& message);
  [[nodiscard]] pipeline::Verdict scan(pipeline::RequestContext& context,
                                       domain::policy::Direction direction, json::Splicer& edits);

  TextScan& scan_;
  protocol::jsonrpc::Texts texts_;
  std::string text_, json_;
};

}  // namespace tollgate::stages
