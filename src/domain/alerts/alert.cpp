#include "tollgate/domain/alerts/alert.hpp"

#include <fmt/format.h>

#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/budget/refusal.hpp"
#include "tollgate/domain/budget/row_json.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::domain::alerts {

using budget::BudgetEvent;

namespace {

constexpr std::size_t kMostOfAName = 100;

/// "2026-11-26 18:30:05 UTC": a person does not want the microseconds.
std::string readable(base::WallTime at) {
  std::string text = base::format_rfc3339(at);
  text.resize(19);
  text[10] = ' ';
  return text + " UTC";
}

std::string detail_of(const BudgetEvent& event, std::string_view id) {
  std::string text;
  json::Writer out(text);
  out.begin_object();
  out.member("id", id).member("event", config::name_of(kind_of(event.kind)));
  out.member("at", base::format_rfc3339(event.at));
  out.member("scope", config::name_of(event.scope)).member("scope_id", event.scope_id);
  out.member("budget", event.budget).member("window", config::name_of(event.window));
  if (event.kind == BudgetEvent::Kind::threshold)
    out.member("percent", static_cast<std::int64_t>(event.percent));
  out.member("unit", config::name_of(event.unit));
  if (event.unit == config::BudgetUnit::usd) {
    out.member("limit_usd", budget::plain_usd(event.limit));
    out.member("spent_usd", budget::plain_usd(event.spent));
  }
  budget::write_amount(out, "limit", event.limit, event.unit);
  budget::write_amount(out, "spent", event.spent, event.unit);
  out.member("window_start", base::format_rfc3339(event.window_start));
  if (event.reset_at) out.member("resets_at", base::format_rfc3339(*event.reset_at));
  if (event.projected_exhaustion_at)
    out.member("projected_exhaustion_at", base::format_rfc3339(*event.projected_exhaustion_at));
  out.end_object();
  return text;
}

std::string summary_of(const BudgetEvent& event) {
  std::string text =
      fmt::format("Budget {} of {} {} ", base::printable(event.budget, kMostOfAName),
                  config::name_of(event.scope), base::printable(event.scope_id, kMostOfAName));
  switch (event.kind) {
    case BudgetEvent::Kind::threshold:
      text += fmt::format("has reached {} %", event.percent);
      break;
    case BudgetEvent::Kind::closed:
      text += "is closed: more was billed than was held";
      break;
  }
  text += fmt::format(": {} of {} spent.", budget::to_string(event.spent, event.unit),
                      budget::to_string(event.limit, event.unit));
  if (event.projected_exhaustion_at)
    text +=
        fmt::format(" At this pace it is used up at {}.", readable(*event.projected_exhaustion_at));
  text += event.reset_at ? fmt::format(" It resets at {}.", readable(*event.reset_at))
                         : std::string(" It never resets.");
  return text;
}

std::string detail_of(const LoopFinding& finding, std::string_view id) {
  const loops::Verdict& verdict = finding.verdict;
  std::string text;
  json::Writer out(text);
  out.begin_object();
  out.member("id", id).member("event", config::name_of(config::AlertKind::loop_detected));
  out.member("at", base::format_rfc3339(finding.at));
  out.member("scope", config::name_of(config::ScopeKind::key)).member("scope_id", finding.key_id);
  out.member("detector", to_string(verdict.detector)).member("mode", config::name_of(verdict.mode));
  out.member("action", config::name_of(verdict.action));
  out.member("target", to_string(verdict.target)).member("evidence", verdict.evidence);
  if (!finding.trace.empty()) out.member("trace", finding.trace);
  out.member("request_id", finding.request_id);
  if (const auto until = stopped_until(finding)) {
    out.member("stop_id", static_cast<std::int64_t>(verdict.stop_id));
    out.member("until", base::format_rfc3339(*until));
  }
  if (verdict.untold != 0) out.member("untold", static_cast<std::int64_t>(verdict.untold));
  out.end_object();
  return text;
}

/// "its trace run-7".
std::string target_of(const LoopFinding& finding) {
  switch (finding.verdict.target) {
    case loops::StopTarget::call:
      return "calls like it";
    case loops::StopTarget::conversation:
      return "its conversation";
    case loops::StopTarget::trace:
      return fmt::format("its trace {}", base::printable(finding.trace, kMostOfAName));
    case loops::StopTarget::key:
      return "the key";
  }
  return {};
}

/// What became of it, as a sentence.
std::string outcome_of(const LoopFinding& finding) {
  const loops::Verdict& verdict = finding.verdict;
  if (verdict.mode == config::LoopMode::observe) return "Observed only.";
  switch (verdict.action) {
    case config::LoopAction::alert:
      return "Nothing was done.";
    case config::LoopAction::slow_down:
      return fmt::format("Each further call waits {} ms.", verdict.wait.count());
    case config::LoopAction::stop:
      break;
  }
  const auto until = stopped_until(finding);
  if (!until) return "The call was refused.";
  return fmt::format("Stopped until {}: {} (stop {}).", readable(*until), target_of(finding),
                     verdict.stop_id);
}

std::string summary_of(const LoopFinding& finding) {
  const loops::Verdict& verdict = finding.verdict;
  std::string text = fmt::format(
      "Key {} runs in circles ({}): {}. {}", base::printable(finding.key_id, kMostOfAName),
      to_string(verdict.detector), verdict.evidence, outcome_of(finding));
  if (verdict.untold != 0)
    text += fmt::format(" And {} more of this key that were not told.", verdict.untold);
  return text;
}

std::string slack_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

}  // namespace

config::AlertKind kind_of(BudgetEvent::Kind kind) noexcept {
  switch (kind) {
    case BudgetEvent::Kind::threshold:
      return config::AlertKind::budget_threshold;
    case BudgetEvent::Kind::closed:
      return config::AlertKind::budget_closed;
  }
  return config::AlertKind::budget_threshold;
}

Alert make_alert(const BudgetEvent& event, std::string id) {
  Alert alert;
  alert.kind = kind_of(event.kind);
  alert.at = event.at;
  alert.scope = event.scope;
  alert.scope_id = event.scope_id;
  alert.budget = event.budget;
  alert.detail = detail_of(event, id);
  alert.summary = summary_of(event);
  alert.id = std::move(id);
  return alert;
}

Alert make_alert(const LoopFinding& finding, std::string id) {
  Alert alert;
  alert.kind = config::AlertKind::loop_detected;
  alert.at = finding.at;
  alert.scope = config::ScopeKind::key;
  alert.scope_id = finding.key_id;
  alert.detail = detail_of(finding, id);
  alert.summary = summary_of(finding);
  alert.id = std::move(id);
  return alert;
}

std::optional<base::WallTime> stopped_until(const LoopFinding& finding) noexcept {
  if (finding.verdict.stop_id == 0) return std::nullopt;
  return finding.at + finding.verdict.wait;
}

std::string body_of(const Alert& alert, config::WebhookFormat format) {
  switch (format) {
    case config::WebhookFormat::json:
      break;
    case config::WebhookFormat::slack: {
      std::string body;
      json::Writer(body).begin_object().member("text", slack_escaped(alert.summary)).end_object();
      return body;
    }
  }
  return alert.detail;
}

std::string_view to_string(FailureReason reason) noexcept {
  switch (reason) {
    case FailureReason::given_up:
      return "given_up";
    case FailureReason::queue_full:
      return "queue_full";
    case FailureReason::stopped:
      return "stopped";
  }
  return "?";
}

std::string to_json(const DeadLetter& letter) {
  std::string text;
  json::Writer out(text);
  out.begin_object().member("id", letter.event_id).member("host", letter.host);
  out.member("format", config::name_of(letter.format)).member("reason", to_string(letter.reason));
  out.member("attempts", static_cast<std::int64_t>(letter.attempts));
  if (!letter.last_error.empty()) out.member("last_error", letter.last_error);
  out.key("body").raw(letter.body).end_object();
  return text;
}

}  // namespace tollgate::domain::alerts
