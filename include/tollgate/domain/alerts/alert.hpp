#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/alerts/loop_finding.hpp"
#include "tollgate/domain/budget/report.hpp"

/// What people are told, and in which words. Pure: delivery is the app's.
namespace tollgate::domain::alerts {

/// One thing to tell, whoever is told: the log, webhooks, the record. Owns what it says.
struct Alert {
  /// "evt_..." of base::IdGenerator: the same in the body, in the header x-tollgate-event-id of
  /// each attempt at each webhook, and on record, so that a receiver can drop repetitions.
  std::string id;
  config::AlertKind kind = config::AlertKind::budget_threshold;
  base::WallTime at;
  config::ScopeKind scope = config::ScopeKind::key;
  std::string scope_id;
  std::string budget;  ///< empty when it is about none
  /// The members that docs/alerts.md lists, as a JSON object: the body of a `json` webhook, and
  /// `detail` of the event on record.
  std::string detail;
  /// The same for people, as one line of plain text. What callers have named (sessions, end users)
  /// is made printable in it and cut.
  std::string summary;
};

[[nodiscard]] config::AlertKind kind_of(domain::budget::BudgetEvent::Kind kind) noexcept;
[[nodiscard]] Alert make_alert(const domain::budget::BudgetEvent& event, std::string id);
[[nodiscard]] Alert make_alert(const LoopFinding& finding, std::string id);
/// Until when a finding's stop holds; absent when nothing is stopped.
[[nodiscard]] std::optional<base::WallTime> stopped_until(const LoopFinding& finding) noexcept;

/// What is POSTed. `slack`: {"text": summary}, in which "&", "<" and ">" are escaped, so that no
/// name of a caller's becomes a link or a mention such as <!channel> (Slack's "Formatting text for
/// app surfaces", read 2026-11).
[[nodiscard]] std::string body_of(const Alert& alert, config::WebhookFormat format);

/// Why a delivery ended without success.
enum class FailureReason : std::uint8_t {
  given_up,    ///< all attempts failed, or the receiver said that it is gone
  queue_full,  ///< not tried: too many were under way (alerts.queue)
  stopped,     ///< the gateway ended first
};
[[nodiscard]] std::string_view to_string(FailureReason reason) noexcept;

/// A delivery that came to nothing: what is kept of it, to be sent again by hand.
struct DeadLetter {
  std::string event_id;
  config::WebhookFormat format = config::WebhookFormat::json;
  std::string host;  ///< nothing else of the URL, which is often a secret
  FailureReason reason = FailureReason::given_up;
  std::uint32_t attempts = 0;
  std::string last_error;  ///< of the last attempt; empty without one
  std::string body;        ///< as it was sent
};

/// The kind of its event on record.
inline constexpr std::string_view kDeadLetterKind = "webhook_failed";
/// `detail` of that event, a JSON object (docs/alerts.md); its `body` is an object, not a text.
[[nodiscard]] std::string to_json(const DeadLetter& letter);

}  // namespace tollgate::domain::alerts
