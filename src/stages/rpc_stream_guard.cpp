#include "stages/rpc_stream_guard.hpp"

#include <algorithm>

#include "stages/credentials.hpp"
#include "stages/guard_verdicts.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::stages {

using config::GuardAction;
using domain::policy::Direction;
using domain::policy::Match;
using domain::policy::StreamVerdict;
using json::NodeRef;
using pipeline::RequestContext;
using pipeline::StreamEvent;
using pipeline::Surface;

namespace {

constexpr std::size_t kMaxArtifacts = 16;
constexpr std::size_t kMaxTails = 16;
constexpr std::size_t kTailBytes = 128;  ///< longer than any credential but a PEM block

bool has_secrets(const RequestContext& context) {
  return context.secrets != nullptr && !context.secrets->empty();
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace

void RpcStreamGuard::inspect(RequestContext& context, StreamEvent& event,
                             const protocol::jsonrpc::Message& message) {
  handled_.clear();
  if (context.route.surface == Surface::mcp) {
    const auto continuing = protocol::mcp::read_continuing(message);
    if (!continuing.text) return;
    key_.assign(continuing.kind).append(continuing.sequence);
    guard_message(context, event, continuing.text);
    return;
  }
  if (const auto update = protocol::a2a::read_artifact_update(message.result)) {
    guard_artifact(context, event, message, update);
    return;
  }
  const auto info = protocol::a2a::read_result(message.result);
  if (info.is_final || message.error) finish(context, event);
  nodes_.clear();
  protocol::a2a::append_part_texts(protocol::a2a::status_parts(message.result), nodes_);
  for (const NodeRef node : nodes_) {
    if (event.end_with) return;
    key_.assign(info.task_id);
    guard_message(context, event, node);
  }
}

bool RpcStreamGuard::has_handled(std::uint32_t node) const noexcept {
  return std::find(handled_.begin(), handled_.end(), node) != handled_.end();
}

void RpcStreamGuard::finish(RequestContext& context, StreamEvent& event) {
  for (std::size_t slot = 0; slot < artifacts_.size() && !event.end_with; ++slot)
    flush(context, event, slot);
}

// ---- artifacts ----

std::size_t RpcStreamGuard::slot_of(RequestContext& context, StreamEvent& event,
                                    const protocol::a2a::ArtifactUpdate& update) {
  // As a reader sees them: other escapes in an id do not make it another artifact.
  const std::string_view task = update.task_id.text(), artifact = update.artifact_id.text();
  for (std::size_t i = 0; i < artifacts_.size(); ++i)
    if (artifacts_[i].artifact == artifact && artifacts_[i].task == task) return i;
  std::size_t slot = artifacts_.size();
  if (slot < kMaxArtifacts) {
    artifacts_.emplace_back();
  } else {
    const auto oldest =
        std::min_element(artifacts_.begin(), artifacts_.end(),
                         [](const Artifact& a, const Artifact& b) { return a.used < b.used; });
    slot = static_cast<std::size_t>(oldest - artifacts_.begin());
    begin_anew(context, event, slot);
  }
  artifacts_[slot].task.assign(task);
  artifacts_[slot].artifact.assign(artifact);
  return slot;
}

void RpcStreamGuard::guard_artifact(RequestContext& context, StreamEvent& event,
                                    const protocol::jsonrpc::Message& message,
                                    const protocol::a2a::ArtifactUpdate& update) {
  const std::size_t slot = slot_of(context, event, update);
  // An artifact that begins anew does not continue the text before it.
  if (!update.append && !event.end_with) begin_anew(context, event, slot);
  if (event.end_with) return;
  Artifact& artifact = artifacts_[slot];
  artifact.address.assign(message.id_raw, update);
  artifact.event_name.assign(event.event->name);
  artifact.used = ++clock_;
  nodes_.clear();
  protocol::a2a::append_part_texts(update.parts, nodes_);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const std::string_view text = nodes_[i].text(text_);
    std::string_view clean = text;
    if (has_secrets(context)) {
      const auto piece = artifact.secret.feed(*context.secrets, text, secret_scratch_);
      note_credentials(context, piece.found);
      if (piece.broken) event.end_with = hidden_credential();
      if (event.end_with) return;
      clean = piece.text;
    }
    const StreamVerdict verdict = guard_.feed(slot, clean);
    if (!note(context, event, verdict)) return;
    released_.assign(verdict.release);
    if (update.last && i + 1 == nodes_.size() && !spill(context, event, slot, released_)) return;
    handled_.push_back(nodes_[i].index());
    if (released_ != text) replace(context, event, nodes_[i], released_);
    if (event.end_with) return;
  }
  if (update.last) flush(context, event, slot);
}

/// What comes next in `slot` does not continue what came before.
void RpcStreamGuard::begin_anew(RequestContext& context, StreamEvent& event, std::size_t slot) {
  flush(context, event, slot);
  static_cast<void>(guard_.finish(slot));  // all of it was given
  artifacts_[slot].secret = {};
}

/// Lets go what is held: the artifact has ended, or says so.
void RpcStreamGuard::flush(RequestContext& context, StreamEvent& event, std::size_t slot) {
  rest_.clear();
  if (!spill(context, event, slot, rest_) || rest_.empty()) return;
  json_.clear();
  protocol::a2a::append_artifact_text(json_, artifacts_[slot].address, rest_);
  protocol::sse::append_event(event.before, artifacts_[slot].event_name, json_);
}

/// Appends what is held of an artifact. False when the stream ends here.
bool RpcStreamGuard::spill(RequestContext& context, StreamEvent& event, std::size_t slot,
                           std::string& out) {
  if (has_secrets(context) && artifacts_[slot].secret.held() != 0) {
    const auto rest = artifacts_[slot].secret.spill(*context.secrets, secret_scratch_);
    note_credentials(context, rest.found);
    const StreamVerdict verdict = guard_.feed(slot, rest.text);
    if (!note(context, event, verdict)) return false;
    out += verdict.release;
  }
  const StreamVerdict verdict = guard_.spill(slot);
  if (!note(context, event, verdict)) return false;
  out += verdict.release;
  return true;
}

/// False when the stream ends here.
bool RpcStreamGuard::note(RequestContext& context, StreamEvent& event,
                          const StreamVerdict& verdict) {
  note_matches(context, Direction::response, verdict.matches);
  if (verdict.action != GuardAction::block) return true;
  event.end_with = guardrail_refusal(*context.rules, verdict.matches, Direction::response);
  return false;
}

void RpcStreamGuard::replace(RequestContext& context, StreamEvent& event, NodeRef node,
                             std::string_view text) {
  json_.clear();
  json::quote_into(json_, text);
  if (!event.edits.replace(node, json_))
    event.end_with = guardrail_refusal(*context.rules, {}, Direction::response);
}

// ---- messages that stand alone ----

/// What came before in the sequence `key_`.
RpcStreamGuard::Tail& RpcStreamGuard::tail_of() {
  auto tail = std::find_if(tails_.begin(), tails_.end(),
                           [this](const Tail& candidate) { return candidate.key == key_; });
  if (tail == tails_.end()) {
    if (tails_.size() < kMaxTails) {
      tail = tails_.emplace(tails_.end());
    } else {
      tail = std::min_element(tails_.begin(), tails_.end(),
                              [](const Tail& a, const Tail& b) { return a.used < b.used; });
      tail->text.clear();
      tail->begun.clear();
    }
    tail->key = key_;
  }
  tail->used = ++clock_;
  return *tail;
}

void RpcStreamGuard::guard_message(RequestContext& context, StreamEvent& event, NodeRef node) {
  auto& scanner = context.services->scanner;
  const std::string_view text = node.text(text_);
  Tail& tail = tail_of();
  if (has_secrets(context)) {
    // Taken out where it is whole; what a message ends, others have begun and told.
    joined_.assign(tail.begun).append(text);
    if (!tail.begun.empty() && context.secrets->in(joined_)) {
      event.end_with = hidden_credential();
      return;
    }
    tail.begun.assign(joined_, context.secrets->hold(joined_));
  }
  scanner.scan(*context.rules, Direction::response, text, matches_);
  const std::size_t before = tail.text.size();
  joined_.assign(tail.text).append(text);
  if (before != 0) {
    // A second scan, not one of the joined text alone: words that stick together would hide what
    // stands at the beginning of this message.
    scanner.scan(*context.rules, Direction::response, joined_, joined_matches_);
    for (const Match& match : joined_matches_) {
      if (match.begin >= before || match.end <= before) continue;
      Match rest{0, match.end - before, match.rule};
      while (!matches_.empty() && matches_.front().begin < rest.end) {
        rest.end = std::max(rest.end, matches_.front().end);
        matches_.erase(matches_.begin());
      }
      matches_.insert(matches_.begin(), rest);
      break;  // matches do not overlap: only one can span the boundary
    }
  }
  tail.text.assign(joined_, joined_.size() - std::min(joined_.size(), kTailBytes));
  while (!tail.text.empty() && is_continuation(tail.text.front())) tail.text.erase(0, 1);
  handled_.push_back(node.index());
  if (matches_.empty()) return;
  note_matches(context, Direction::response, matches_);
  GuardAction action = GuardAction::allow;
  for (const Match& match : matches_) action = std::max(action, context.rules->rule(match).action);
  if (action == GuardAction::block) {
    event.end_with = guardrail_refusal(*context.rules, matches_, Direction::response);
  } else if (action == GuardAction::mask) {
    released_.clear();
    context.rules->mask_to(released_, text, matches_);
    replace(context, event, node, released_);
  }
}

}  // namespace tollgate::stages
