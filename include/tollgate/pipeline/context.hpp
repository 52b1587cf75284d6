#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/digest.hpp"
#include "tollgate/base/error.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/domain/budget/event_streams.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/budget/pricing.hpp"
#include "tollgate/domain/keys/key_registry.hpp"
#include "tollgate/domain/loops/loop_breaker.hpp"
#include "tollgate/domain/policy/rule_set.hpp"
#include "tollgate/domain/routing/plan.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/pipeline/cancel.hpp"
#include "tollgate/pipeline/exchange.hpp"
#include "tollgate/pipeline/payload.hpp"
#include "tollgate/pipeline/route.hpp"
#include "tollgate/pipeline/runtime.hpp"
#include "tollgate/pipeline/services.hpp"
#include "tollgate/pipeline/stage.hpp"
#include "tollgate/protocol/http/ip_address.hpp"
#include "tollgate/protocol/http/request_head.hpp"
#include "tollgate/protocol/http/target.hpp"
#include "tollgate/store/audit_record.hpp"

namespace tollgate::pipeline {

class Chain;

/// A whole answer on its way to the agent.
class Answer {
 public:
  int status = 0;
  std::string* body = nullptr;  ///< may be rewritten, with `rewrite`
  bool is_json = false;         ///< its content type says so
  /// The parsed body, when it is JSON and well formed; null otherwise, and after a rewrite.
  const json::Document* document = nullptr;
  bool from_upstream = false;  ///< else made by the gateway
  bool is_rewritten = false;   ///< the body is not what the upstream sent

  void rewrite(std::string text) {
    *body = std::move(text);
    document = nullptr;
    is_rewritten = true;
  }
};

/// What an attempt given up after its request was sent will be charged.
///
/// The charge stays a hold until the call ends: only then does the row go to the store that tells
/// of it, and a budget that a reload adds meanwhile counts holds, but cannot count money that is
/// neither held nor on record.
class AbandonedAttempt {
 public:
  AbandonedAttempt(domain::budget::Hold charge, std::size_t of_candidate, std::size_t at_index)
      : hold(std::move(charge)), candidate(of_candidate), index(at_index) {}
  domain::budget::Hold hold;  ///< of exactly the charge
  std::size_t candidate;      ///< in the plan
  std::size_t index;          ///< in AuditRecord::attempts
};

/// Everything that is known about one call, typed, in one place.
///
/// Owned by the session while a call runs, then used for the next one of its worker, whosever it is
/// (`reset` keeps memory).
/// Stages read what earlier stages wrote; who writes what is said at each part.
class RequestContext {
 public:
  RequestContext() = default;
  RequestContext(const RequestContext&) = delete;
  RequestContext& operator=(const RequestContext&) = delete;

  /// Forgets the last call. Nothing of it may still be held (end() saw to that).
  void reset();
  /// Starts a call: ids, times, the runtime it is pinned to. `received`: when its head was read.
  void begin(RuntimePtr pinned, Services& with, Downstream& agent, base::MonoTime received);
  /// Gives the body's index back, which may be many times the body, before a refusal is written:
  /// what the error and the record need of it stays.
  void drop_index();
  /// After completion: drops what must not outlive a call (hold, runtime, key).
  void end();

  [[nodiscard]] const config::Snapshot& config() const noexcept { return *runtime->snapshot; }

  // ---- the session ----
  RuntimePtr runtime;
  Services* services = nullptr;
  Downstream* downstream = nullptr;
  Chain* chain = nullptr;
  CancelSignal cancel;
  base::Deadline deadline;         ///< of the whole call
  base::MonoTime received_at{};    ///< head complete
  base::MonoTime body_read_at{};   ///< request fully read
  base::MonoTime first_byte_at{};  ///< first byte of the answer written
  base::MonoTime finished_at{};
  base::WallTime started{};
  std::string request_id;
  const protocol::http::RequestHead* head = nullptr;
  protocol::http::Target target;
  Route route;
  std::string client_address;
  bool is_tls = false;          ///< the agent's connection
  std::string body;             ///< inflated; padded for the JSON parser
  bool body_held_keys = false;  ///< virtual keys, which were taken out of `body`
  json::Document document;      ///< of the body, when it is JSON
  bool has_document = false;
  bool in_flight = false;  ///< counted in Services::in_flight
  /// Set by the session when the head is whole and yet cannot be served (unknown method, unmet
  /// Expect, malformed target): auth finds out who calls, then the call is refused with it.
  std::optional<base::Error> head_fault;

  void set_client(const protocol::http::IpAddress& address) {
    // Of most connections it is the same for every call: its text is kept.
    if (!client_address.empty() && address == client_) return;
    client_ = address;
    client_address = address.to_string();
  }
  void note_first_byte(base::MonoTime now) noexcept {
    if (first_byte_at == base::MonoTime{}) first_byte_at = now;
  }
  /// Why a call was ended before its answer was complete.
  enum class EarlyEnd : std::uint8_t {
    none,
    client_gone,  ///< the agent left, or would not take what was written
    draining,     ///< the gateway is told to stop, and waits no longer
    out_of_time,  ///< timeouts.total passed while the agent was being written to
  };
  /// Cancels whatever the call waits for. The first reason stands: a connection that breaks because
  /// the gateway cancelled the call first says nothing about the agent.
  void end_early(EarlyEnd why) noexcept {
    if (cancel.cancelled()) return;
    early_end_ = why;
    cancel.cancel();
  }
  [[nodiscard]] bool client_gone() const noexcept { return early_end_ == EarlyEnd::client_gone; }
  [[nodiscard]] bool stopped_by_gateway() const noexcept {
    return early_end_ == EarlyEnd::draining;
  }

  // ---- interpret: what the body asks for ----
  Payload payload;

  // ---- auth ----
  const domain::keys::KeyRecord* key = nullptr;
  const AliasRuntime* alias = nullptr;  ///< null for what has no upstream (models, me)
  const PeerRuntime* peer = nullptr;    ///< MCP server or A2A agent
  domain::routing::RoutePlan plan;
  const domain::policy::RuleSet* rules =
      nullptr;  ///< guardrails of this call; never null after auth

  // ---- loops ----
  /// The loop breaker let the call pass, and is to hear how it ended.
  std::optional<domain::loops::Ticket> loop_ticket;

  // ---- budget ----
  domain::budget::ScopePath who;  ///< of the key, and the session and end user of the call
  std::string session_scope, end_user_scope;  ///< as scopes call them; empty without
  domain::budget::RateStatus rates;  ///< of the tightest rate limits, when it held its place
  domain::budget::EventStreams::Place event_stream;  ///< of an MCP server's GET stream
  domain::budget::Hold hold;        ///< of the call, with the money of the attempt that runs
  domain::budget::CallBound bound;  ///< on the deployment that was priced last
  bool bound_is_estimate =
      false;  ///< its text is held at an estimate, the strict bound not fitting
  domain::budget::HoldPlan hold_plan;
  static constexpr std::size_t kNotHeld = static_cast<std::size_t>(-1);
  std::size_t held_candidate = kNotHeld;  ///< plan index the hold is priced for
  boost::container::small_vector<AbandonedAttempt, 1> abandoned;  ///< in the order of attempts
  base::NanoUsd largest_hold;
  bool free_of_charge = true;  ///< costs nothing whatever happens
  /// The call stood in line for its money (spending.hold_wait), or was slowed down before: it is
  /// later than body_read_at.
  bool hold_awaited = false;
  std::optional<config::Deployment>
      priced;  ///< the deployment with a tool's own price, if it has one

  // ---- policy ----
  json::Splicer edits;                       ///< masked request text; the router adds to a copy
  std::unique_ptr<StageState> policy_state;  ///< stream guards
  bool request_inspected = false;            ///< guardrails have seen the request and let it pass

  // ---- router ----
  /// Credentials of the provider whose answer is at hand; null before the first attempt.
  const domain::policy::Secrets* secrets = nullptr;
  std::uint32_t attempts = 0;        ///< made so far
  bool is_stream = false;            ///< the answer is an event stream
  bool upstream_cut = false;         ///< the answer broke after the commit point
  int status = 0;                    ///< HTTP status sent
  std::uint64_t response_bytes = 0;  ///< body bytes sent to the agent
  std::chrono::nanoseconds upstream_time{0};
  std::chrono::nanoseconds gateway_time{
      0};                             ///< request half + answer half, while nothing is awaited
  base::MonoTime first_content_at{};  ///< first content event sent (streams), else first byte
  const domain::routing::RoutableDeployment* served_by = nullptr;
  std::size_t served_candidate = 0;
  /// The last deployment whose answer began and then broke before any of it was sent. For the
  /// record: it did not serve the call, and what it may bill is among `abandoned`.
  const domain::routing::RoutableDeployment* broken_by = nullptr;
  protocol::llm::Usage usage;
  bool usage_is_final = false;  ///< the answer is whole: nothing will be told of its use any more
  bool answer_unmeasured = false;  ///< part of the answer was over a limit and never read
  std::string served_model;        ///< as the provider names it
  bool estimated = false;
  base::NanoUsd cost;

  // ---- outcome ----
  std::optional<base::Error> refusal;  ///< the error answered, if one was
  void refuse(base::Error error) { refusal.emplace(std::move(error)); }

  // ---- audit ----
  bool audit_slot = false;                     ///< a slot is held for this call
  bool unrecorded = false;                     ///< admitted without one (audit.on_full: drop)
  std::unique_ptr<store::AuditRecord> record;  ///< filled as the call goes; handed over at the end
  std::string captured_response;               ///< what the agent was sent, capped
  bool response_digest_used = false;           ///< something was sent and captured
  /// Adds to what the agent was sent, for the record.
  void capture_response(std::string_view bytes);
  /// Ends the digest of what was sent.
  [[nodiscard]] base::Sha256Digest finish_response_digest() noexcept;
  /// The same for bytes that no guardrail read (audio, images): `masked` keeps their digest only.
  void capture_unread_response(std::string_view bytes);

 private:
  void digest_captured() noexcept;

  EarlyEnd early_end_ = EarlyEnd::none;
  protocol::http::IpAddress client_;  ///< client_address is its text
  base::Sha256 response_digest_;      ///< of all that the agent was sent
  std::size_t digested_ = 0;          ///< bytes of captured_response that are in it
};

}  // namespace tollgate::pipeline
