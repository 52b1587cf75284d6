#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/policy/secrets.hpp"
#include "tollgate/domain/policy/stream_guard.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/stream_event.hpp"
#include "tollgate/protocol/a2a/updates.hpp"

namespace tollgate::stages {

/// Guardrails over text that a JSON-RPC stream carries in pieces, across its events.
///
/// Artifacts (A2A): readers append the pieces, so what can still begin a match is held back and
/// goes out in front of the artifact's next text, in its last one, or in an event of its own before
/// the task's end. Status messages (A2A), progress and log messages (MCP) are messages of their
/// own, whose words must not move from one to the next: they go out at once, and a match that began
/// in an earlier message is masked from the message on in which it becomes certain.
///
/// Bounds: 16 artifacts with text held back (the one longest unused is let go first), 16 other
/// sequences of 128 bytes each. Lifetime: of one stream, on one worker; rules outlive it.
class RpcStreamGuard final : public pipeline::StageState {
 public:
  RpcStreamGuard(const domain::policy::RuleSet& rules, domain::policy::Scanner& scanner)
      : guard_(rules, domain::policy::Direction::response, scanner) {}

  /// Guards the continuing texts of one event: masks go to event.edits, what was held back to
  /// event.before, a block to event.end_with.
  void inspect(pipeline::RequestContext& context, pipeline::StreamEvent& event,
               const protocol::jsonrpc::Message& message);
  /// Whether inspect() has dealt with this node of the event's document.
  [[nodiscard]] bool has_handled(std::uint32_t node) const noexcept;
  /// The stream is over: lets go what is held back.
  void finish(pipeline::RequestContext& context, pipeline::StreamEvent& event);

 private:
  struct Artifact {
    std::string task, artifact;
    protocol::a2a::ArtifactAddress address;
    std::string event_name;
    domain::policy::SecretTail secret;
    std::uint64_t used = 0;
  };
  struct Tail {
    std::string key, text;
    std::string begun;  ///< of a credential
    std::uint64_t used = 0;
  };
  std::size_t slot_of(pipeline::RequestContext& context, pipeline::StreamEvent& event,
                      const protocol::a2a::ArtifactUpdate& update);
  Tail& tail_of();
  void guard_artifact(pipeline::RequestContext& context, pipeline::StreamEvent& event,
                      const protocol::jsonrpc::Message& message,
                      const protocol::a2a::ArtifactUpdate& update);
  void guard_message(pipeline::RequestContext& context, pipeline::StreamEvent& event,
                     json::NodeRef node);
  void begin_anew(pipeline::RequestContext& context, pipeline::StreamEvent& event,
                  std::size_t slot);
  void flush(pipeline::RequestContext& context, pipeline::StreamEvent& event, std::size_t slot);
  bool spill(pipeline::RequestContext& context, pipeline::StreamEvent& event, std::size_t slot,
             std::string& out);
  bool note(pipeline::RequestContext& context, pipeline::StreamEvent& event,
            const domain::policy::StreamVerdict& verdict);
  void replace(pipeline::RequestContext& context, pipeline::StreamEvent& event, json::NodeRef node,
               std::string_view text);

  domain::policy::StreamGuard guard_;  ///< channel = index in artifacts_
  std::vector<Artifact> artifacts_;
  std::vector<Tail> tails_;
  std::uint64_t clock_ = 0;
  // Scratch of one event.
  std::vector<std::uint32_t> handled_;
  std::vector<json::NodeRef> nodes_;
  std::vector<domain::policy::Match> matches_, joined_matches_;
  std::string key_, text_, joined_, released_, rest_, json_;
  domain::policy::SecretTail::Scratch secret_scratch_;
};

}  // namespace tollgate::stages
