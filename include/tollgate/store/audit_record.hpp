#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/kept_list.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"

/// What one call leaves behind: the value the audit stage fills and the store writes down.
///
/// docs/audit-schema.md names the column of every field. Text fields that are empty are stored as
/// NULL. No field may hold a credential, of either side; the caller masks bodies before it hands
/// them over.
namespace tollgate::store {

/// How a call ended, as one of a closed set.
enum class Outcome : std::uint8_t {
  ok,             ///< an answer of the upstream (or of the gateway's own endpoints) was delivered
  refused,        ///< the gateway said no: auth, budget, policy, limits
  failed,         ///< no deployment gave an answer, or the gateway failed
  client_closed,  ///< the caller left before the end
  upstream_cut,   ///< the upstream ended in the middle of an answer already begun
  interrupted,    ///< the gateway itself ended: found open by the next start
};
/// "ok", "refused", "failed", "client_closed", "upstream_cut", "interrupted".
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

/// Why a ledger row exists.
enum class LedgerKind : std::uint8_t {
  call,         ///< the settled cost of a call, or of one deployment's part in it
  abandoned,    ///< an attempt given up after its request was sent
  interrupted,  ///< a hold found without a settlement after a crash
  aggregate,    ///< several unrecorded calls of the same scopes (audit.on_full: drop)
  adjusted,     ///< a correction by an operator, which alone may be below zero
};
[[nodiscard]] std::string_view to_string(LedgerKind kind) noexcept;

/// Who called: the owner chain of the virtual key at the time of the call.
struct AuditPrincipal {
  std::string key_id;
  std::string agent, team, org;
  std::vector<std::string> tags;
  bool operator==(const AuditPrincipal&) const = default;
};

/// One exchange with one deployment, in the order they were made.
struct AuditAttempt {
  std::string deployment;        ///< config::Deployment::id, or the MCP server / A2A agent
  std::string outcome;           ///< "ok", "connect", "reset", "first_byte_timeout", "status", ...
  std::int32_t http_status = 0;  ///< 0 = no response head
  std::int64_t started_us = 0;   ///< after the start of the call
  std::int64_t duration_us = 0;
  std::string error_code;  ///< empty when the attempt gave the answer
  base::NanoUsd billed;    ///< what this attempt was charged
  void clear() noexcept;
  bool operator==(const AuditAttempt&) const = default;
};

/// A guardrail rule that matched, with how often; never what it matched.
struct AuditVerdict {
  std::string guardrail;
  std::string rule;
  std::string action;     ///< config::GuardAction
  std::string direction;  ///< "request" or "response"
  std::int64_t count = 0;
  bool operator==(const AuditVerdict&) const = default;
};

/// Tokens by kind, as charged. `input` excludes both cache kinds; `reasoning` is a part of
/// `output`, each audio kind of its side.
struct AuditTokens {
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write = 0;  ///< 5-minute writes, and writes of providers with one kind
  std::int64_t cache_write_1h = 0;
  std::int64_t reasoning = 0;
  std::int64_t audio_input = 0;
  std::int64_t audio_output = 0;
  bool operator==(const AuditTokens&) const = default;
};

/// A body as captured. `stored` may be shorter than the whole, which ends at `full_bytes`.
struct AuditBody {
  bool captured = false;         ///< false: none of the other members is stored
  std::uint64_t full_bytes = 0;  ///< of the whole, in the form captured (after masking, if masked)
  base::Sha256Digest sha256{};   ///< of the whole, in the form captured
  /// Already capped and masked by the caller, in whose memory it is: needed until the record has
  /// been handed over.
  std::string_view stored;
  bool operator==(const AuditBody&) const = default;
};

/// A scope besides the six that have members of their own: a tag, a session, an end user.
struct AuditScope {
  config::ScopeKind kind = config::ScopeKind::tag;
  std::string id;
  void clear() noexcept;
  bool operator==(const AuditScope&) const = default;
};

/// LedgerCharge::slot of a charge that no slot stands for.
inline constexpr std::uint32_t kNoSlot = 0xffffffff;

/// One row of the ledger: what a hold settled at, in every unit that budgets count. One with
/// nothing to count has no row. A call without charges gets one for its cost, when it cost
/// anything, which counts as a call and no tokens.
struct LedgerCharge {
  std::string provider;  ///< empty: the record's provider
  std::string model;     ///< alias; empty: the record's model_asked
  base::NanoUsd amount;  ///< below 0 only when `adjusted`; so are the two below
  std::int64_t tokens = 0;
  std::int64_t calls = 0;  ///< 1 for the settlement of a call, 0 for its abandoned attempts
  /// Slot of the crash journal that is told to StoreOptions::on_committed, row or no row.
  std::uint32_t slot = kNoSlot;
  bool estimated = false;
  bool overrun = false;  ///< billed more than was held
  LedgerKind kind = LedgerKind::call;
  /// domain::budget::Settlement::charged_at: picks the window the money belongs to. Zero: the
  /// record's `held_at`.
  base::WallTime charged_at{};
  void clear() noexcept;
  bool operator==(const LedgerCharge&) const = default;
};

/// One call. Plain, movable, reusable (`clear` keeps the strings' memory).
struct AuditRecord {
  std::string request_id;  ///< unique across replicas; the call id of the ledger
  std::string trace_id, session_id, parent_id, end_user;
  base::WallTime started{};
  AuditPrincipal principal;
  std::string client_address;

  std::string surface;  ///< config::surface_names()
  std::string method;   ///< HTTP
  std::string path;     ///< without the query
  std::string model_asked, model_served, provider, deployment;
  std::string rpc_method;  ///< MCP or A2A method
  std::string rpc_target;  ///< MCP server or A2A agent
  std::string tool, task_id;

  base::KeptList<AuditAttempt> attempts;
  std::vector<AuditVerdict> verdicts;
  AuditTokens tokens;
  std::int64_t server_tool_calls = 0;  ///< tools the provider ran itself and bills
  std::string service_tier;            ///< as served, in the provider's words; empty = not told
  bool estimated = false;              ///< tokens or cost are not the provider's own figures
  base::NanoUsd cost;                  ///< the sum of `charges`, when there are any
  base::NanoUsd held;                  ///< the largest hold
  std::string price_source;  ///< "catalogue", "override", "per_call", "unpriced_hold", ...
  bool overrun = false;      ///< the cost was over the hold
  base::KeptList<LedgerCharge> charges;
  base::KeptList<AuditScope> scopes;  ///< further ones that every charge counts against, each once
  /// When the hold was made (Settlement::charged_at), for charges that do not say. Zero: `started`.
  base::WallTime held_at{};

  std::int64_t total_us = 0;      ///< request head complete to last byte written
  std::int64_t gateway_us = -1;   ///< inside the gateway, both directions; < 0 = not known
  std::int64_t upstream_us = -1;  ///< waiting for upstreams; < 0 = none was called
  std::int64_t ttft_us = -1;      ///< to the first byte (stream: first event) sent; < 0 = none

  std::int32_t status = 0;  ///< HTTP status sent; 499 when the caller left before one
  std::string error_code;   ///< base::ErrorCode's name; empty when there was none
  Outcome outcome = Outcome::ok;
  bool stream = false;
  bool output_cap_lowered = false;
  std::uint64_t request_bytes = 0, response_bytes = 0;  ///< bodies as on the wire to the agent
  std::string config_digest;                            ///< config::Snapshot::source_digest
  AuditBody request_body, response_body;

  /// Back to the default state, keeping allocated memory.
  void clear() noexcept;
  bool operator==(const AuditRecord&) const = default;
};

}  // namespace tollgate::store
