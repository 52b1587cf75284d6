#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/loop_breaker.hpp"

/// Who may call what, and for how much. Parts of the Snapshot.
namespace tollgate::config {

using std::chrono::milliseconds;

enum class WindowKind : std::uint8_t { minute, hour, day, week, month, total };
/// What a budget counts.
enum class BudgetUnit : std::uint8_t { usd, tokens, requests };

struct Budget {
  std::string name = "default";  ///< identity = (scope kind, scope id, name), never its position
  BudgetUnit unit = BudgetUnit::usd;
  base::Quantity limit;  ///< nano-USD, tokens or requests
  WindowKind window = WindowKind::day;
  std::string time_zone = "UTC";  ///< IANA
  std::vector<std::uint32_t> alert_percents{80};
};

/// What a rate limit counts: `requests` and `tokens` within a sliding window, `concurrent` calls at
/// one instant.
enum class RateUnit : std::uint8_t { requests, tokens, concurrent };

struct RateLimit {
  std::string name;  ///< identity = (scope kind, scope id, name); default: the unit's name
  RateUnit unit = RateUnit::requests;
  std::int64_t limit = 0;
  milliseconds per{60'000};  ///< length of the sliding window; unused for `concurrent`
};

/// Names of scopes in YAML, SQL, metrics and refusals. Scopes of the kinds `session` and `end_user`
/// are not named by the configuration: calls bring them (see EachOf).
enum class ScopeKind : std::uint8_t {
  key,
  agent,
  team,
  org,
  model,
  provider,
  tag,
  session,
  end_user,
};
inline constexpr std::size_t kScopeKinds = 9;
/// Most tags with an entry of their own that one key may bear: each is one more scope of its calls,
/// and a call's path has a fixed size.
inline constexpr std::size_t kMaxTagScopes = 6;

struct Allow {
  std::vector<std::string>
      surfaces;  ///< globs over surface names; default all LLM surfaces, mcp, a2a
  std::vector<std::string> models;     ///< globs over aliases; default "*"
  std::vector<std::string> providers;  ///< globs; default "*"
  std::vector<std::string> paths;      ///< globs over other /v1/* paths; default none
  /// server -> tool globs; an absent server is not reachable.
  std::map<std::string, std::vector<std::string>, std::less<>> mcp;
  /// agent -> method globs; an absent agent is not reachable.
  std::map<std::string, std::vector<std::string>, std::less<>> a2a;
};

struct Key {
  std::string id;
  base::Sha256Digest digest{};
  std::string last4;
  std::string agent, team, org;  ///< owners; may be empty
  std::vector<std::string> tags;
  std::optional<base::WallTime> expires;
  bool disabled = false;
  Allow allow;
  std::vector<std::string> guardrails;
  std::shared_ptr<const LoopBreaker> loop_breaker;  ///< null: the Snapshot's
};

struct Owner {  // org, team or agent
  std::string id;
  std::string parent;  ///< team of an agent, org of a team; may be empty
  std::vector<std::string> guardrails;
};

struct ScopedBudget {
  ScopeKind scope = ScopeKind::key;
  std::string scope_id;
  Budget budget;
};

struct ScopedRateLimit {
  ScopeKind scope = ScopeKind::key;
  std::string scope_id;
  RateLimit rate;
};

/// What each session (or each end user) of an owner gets for itself: `each_session` and
/// `each_end_user` of a key, an agent, a team, an org, or of the whole gateway.
struct EachOf {
  ScopeKind kind = ScopeKind::session;  ///< session or end_user
  std::optional<ScopeKind> owner;       ///< key, agent, team or org; absent: every caller
  std::string owner_id;
  std::vector<Budget> budgets;
  std::vector<RateLimit> rate_limits;
  bool required = false;  ///< calls that name no session (end user) are refused
};

enum class UnpricedAction : std::uint8_t { refuse, hold };

/// What becomes of a stream that certainly has more output than its cap allows.
enum class IgnoredCap : std::uint8_t {
  end,    ///< ended as the dialect ends an answer at its cap
  error,  ///< ended by an error
  pass,   ///< relayed, and charged as what it was
};

/// What an attempt costs that broke off after its request was sent, before its provider had told
/// what it used: nobody knows what that one bills.
enum class AbandonedAttempts : std::uint8_t {
  estimate,  ///< the input, and the output that was seen or that its time shows, at an estimate
  hold,      ///< all that was held for it: the most that its provider can bill
  free,      ///< nothing, where its agent got none of its answer; else the estimate
};

struct Spending {
  std::int64_t default_output_cap = 4'096;  ///< tokens, when neither agent nor catalogue says
  std::int64_t min_output_tokens = 16;      ///< never lower the agent's cap below this
  /// Not lowered below this while waiting for other calls may help (and at least
  /// min_output_tokens).
  std::int64_t useful_output_tokens = 2'048;
  /// Near a cap, where a hold at its strict bound would not fit, input is held at an estimate from
  /// above instead (domain::tokens).
  bool estimate_near_cap = true;
  IgnoredCap on_ignored_cap = IgnoredCap::end;
  UnpricedAction unpriced = UnpricedAction::refuse;
  base::NanoUsd unpriced_hold;  ///< held and charged per call of an unpriced model
  UnpricedAction unbounded_input = UnpricedAction::refuse;
  base::NanoUsd unbounded_input_hold;
  /// What has no known price on a model that has one: a service tier or another modifier, audio,
  /// searches of the provider's.
  UnpricedAction unknown_modifier = UnpricedAction::refuse;
  base::NanoUsd unknown_modifier_hold;  ///< a call with one is held and charged at least this
  std::optional<base::NanoUsd>
      other_path_price;  ///< other /v1/*: charged per call; absent = refused
  AbandonedAttempts abandoned_attempts = AbandonedAttempts::estimate;
  /// Tokens a second that a provider is taken to make while it says nothing, where the agent leaves
  /// before it has told what it used; from kSilence after the request was sent. 0 = none.
  std::int64_t silent_output_rate = 100;
  milliseconds hold_wait{10'000};    ///< wait for other calls' holds at most this long; 0 = refuse
  milliseconds journal_sync{1'000};  ///< a power failure loses at most this much; restart-only
  std::uint32_t live_scopes = 100'000;     ///< sessions and end users known at once
  std::chrono::hours live_scope_idle{24};  ///< a session or end user is forgotten after this
  bool show_amounts = true;                ///< name limit and spend in 402 messages
};

}  // namespace tollgate::config
