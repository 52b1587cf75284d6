#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tollgate/base/secret.hpp"
#include "tollgate/config/upstreams.hpp"

/// What is looked for in bodies, what is kept of calls, and who is told. Parts of the Snapshot.
namespace tollgate::config {

using std::chrono::milliseconds;

enum class GuardAction : std::uint8_t { allow, flag, mask, block };
enum class GuardDirection : std::uint8_t { request, response, both };
enum class RuleKind : std::uint8_t { detector, regex, keyword };

struct GuardRule {
  std::string name;  ///< shown in verdicts; for detectors = the detector's name
  RuleKind kind = RuleKind::detector;
  /// detector: email | payment_card | iban | api_key | private_key; regex: the pattern; keyword:
  /// the word
  std::string pattern;
  bool case_insensitive = false;
  GuardAction action = GuardAction::flag;
  std::string replacement;  ///< for mask; default "[REDACTED:<name>]"
  std::string path;         ///< "guardrails.strict.rules[0]" in the YAML; empty for the built-in
};

struct Guardrail {
  std::string name;
  GuardDirection direction = GuardDirection::both;
  std::vector<GuardRule> rules;
};

// ---- audit ----

enum class BodyCapture : std::uint8_t { none, masked, full };
enum class AuditOnFull : std::uint8_t { refuse, drop };

struct Audit {
  std::string path = "data/tollgate.db";  // restart-only
  BodyCapture bodies = BodyCapture::masked;
  std::uint32_t body_bytes = 64 * 1024;  ///< stored per body; digest and length are of the whole
  std::uint32_t queue = 65'536;          // restart-only; records
  std::uint64_t queue_body_bytes = 256ull << 20;  // restart-only; bodies in the queue
  AuditOnFull on_full = AuditOnFull::refuse;
  milliseconds flush_interval{25};
  std::uint32_t batch = 1'000;
  bool sync_full = false;  // restart-only; synchronous=FULL
  std::chrono::hours retention_age{30 * 24};
  std::uint64_t retention_bytes = 10ull << 30;
  std::uint64_t segment_bytes = 64ull << 20;
  std::uint64_t min_free_bytes = 64ull << 20;  ///< below this the disk counts as full
};

/// What people are told of.
enum class AlertKind : std::uint8_t {
  budget_threshold,  ///< spend reached one of a budget's alert percents
  budget_closed,     ///< an overrun closed a budget until its reset
  loop_detected,     ///< an agent runs in circles: stopped, slowed down or only told
};

/// In which form a webhook is told.
enum class WebhookFormat : std::uint8_t { json, slack };

struct Webhook {
  Origin origin;        ///< whose host alone may be shown; without base_path
  std::string target;   ///< path and query, often a secret
  base::Secret secret;  ///< HMAC-SHA256 of the body in x-tollgate-signature, when set
  WebhookFormat format = WebhookFormat::json;
  std::vector<AlertKind> events;  ///< what it is sent, each once
  std::uint32_t attempts = 5;
  milliseconds timeout{10'000};     ///< of one attempt
  milliseconds retry_max{300'000};  ///< longest pause between two, whoever asks for it
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };

struct Log {
  LogLevel level = LogLevel::info;
  bool json = true;
};

}  // namespace tollgate::config
