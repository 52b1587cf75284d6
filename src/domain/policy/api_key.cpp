#include <algorithm>
#include <bit>

#include "domain/policy/detectors.hpp"

namespace tollgate::domain::policy {
namespace {

// Shapes are facts of the vendors' documentation and of public secret-scanning rules (gitleaks,
// GitHub secret scanning partner list; read 2026-11). Bodies are bounded generously upward: vendors
// announce longer tokens before they ship them.
constexpr KeySpec kSpecs[] = {
    // literal, class, min, max, boundary, exact, needs_digit
    {"AKIA", kUpperDigit, 16, 16, true, true, false},  // AWS access key ids
    {"ASIA", kUpperDigit, 16, 16, true, true, false},
    {"ABIA", kUpperDigit, 16, 16, true, true, false},
    {"ACCA", kUpperDigit, 16, 16, true, true, false},
    {"ABSK", kBase64, 109, 269, true, false, true},  // AWS Bedrock
    {"ghp_", kAlnum, 36, 251, false, false, false},  // GitHub
    {"gho_", kAlnum, 36, 251, false, false, false},
    {"ghu_", kAlnum, 36, 251, false, false, false},
    {"ghs_", kAlnum, 36, 251, false, false, false},
    {"ghr_", kAlnum, 36, 251, false, false, false},
    {"github_pat_", kWord, 60, 244, false, false, true},
    {"glpat-", kWord, 20, 300, false, false, false, KeyShape::gitlab},
    {"gldt-", kWord, 20, 300, true, false, true, KeyShape::gitlab},
    {"glrt-", kWord, 20, 300, true, false, true, KeyShape::gitlab},
    {"glcbt-", kWord, 20, 300, true, false, true, KeyShape::gitlab},
    {"glptt-", kWord, 20, 300, true, false, true, KeyShape::gitlab},
    {"glft-", kWord, 20, 300, true, false, true, KeyShape::gitlab},
    {"glsoat-", kWord, 20, 300, true, false, true, KeyShape::gitlab},
    {"sk-", kAlnum, 32, 200, true, false, true, KeyShape::openai_legacy},
    {"sk-proj-", kWord, 40, 250, false, false, true},
    {"sk-svcacct-", kWord, 40, 250, false, false, true},
    {"sk-admin-", kWord, 40, 250, false, false, true},
    {"sk-or-v1-", kHexLower, 64, 64, false, true, true},  // OpenRouter
    {"sk-ant-", kWord, 40, 200, false, false, true},      // Anthropic
    {"AIza", kWord, 35, 64, true, false, false},          // Google
    {"xoxa-", kWord, 20, 250, true, false, true},         // Slack
    {"xoxb-", kWord, 20, 250, true, false, true},
    {"xoxc-", kWord, 20, 250, true, false, true},
    {"xoxd-", kWord, 20, 250, true, false, true},
    {"xoxe-", kWord, 20, 250, true, false, true},
    {"xoxo-", kWord, 20, 250, true, false, true},
    {"xoxp-", kWord, 20, 250, true, false, true},
    {"xoxr-", kWord, 20, 250, true, false, true},
    {"xoxs-", kWord, 20, 250, true, false, true},
    {"xapp-", kWord, 20, 250, true, false, true},
    {"hooks.slack.com/services/", kUrlPath, 30, 120, false, false, true},
    {"hooks.slack.com/workflows/", kUrlPath, 30, 120, false, false, true},
    {"hooks.slack.com/triggers/", kUrlPath, 30, 120, false, false, true},
    {"https://hooks.slack.com/services/", kUrlPath, 30, 120, false, false, true},
    {"https://hooks.slack.com/workflows/", kUrlPath, 30, 120, false, false, true},
    {"https://hooks.slack.com/triggers/", kUrlPath, 30, 120, false, false, true},
    {"sk_live_", kAlnum, 16, 250, false, false, false},  // Stripe
    {"sk_test_", kAlnum, 16, 250, false, false, false},
    {"sk_prod_", kAlnum, 16, 250, false, false, false},
    {"rk_live_", kAlnum, 16, 250, false, false, false},
    {"rk_test_", kAlnum, 16, 250, false, false, false},
    {"rk_prod_", kAlnum, 16, 250, false, false, false},
    {"whsec_", kAlnum, 32, 250, true, false, false},
    {"hf_", kAlnum, 34, 60, true, false, false},  // Hugging Face
    {"api_org_", kAlpha, 34, 34, true, true, false},
    {"npm_", kAlnum, 36, 36, true, true, false},
    {"SG.", kWord, 22, 22, true, true, false, KeyShape::sendgrid},
    {"SK", kHexLower, 32, 32, true, true, true},        // Twilio
    {"dapi", kHexLower, 32, 32, true, true, true},      // Databricks
    {"dop_v1_", kHexLower, 64, 64, false, true, true},  // DigitalOcean
    {"doo_v1_", kHexLower, 64, 64, false, true, true},
    {"dor_v1_", kHexLower, 64, 64, false, true, true},
    {"hvs.", kWord, 24, 300, true, false, false},  // HashiCorp Vault
    {"hvb.", kWord, 24, 300, true, false, false},
    {"tg-", kWord, 40, 60, true, false, true},  // Tollgate's own virtual keys (domain/keys)
};

constexpr std::size_t kSendgridSecretMin = 39;
constexpr std::size_t kSendgridSecretMax = 48;

/// Placeholders (xxxxxxxx, 00000000) repeat a few characters; random keys of these lengths have ten
/// or more different ones.
constexpr int kMinDifferent = 7;

/// The first bytes tell; more would make overlapping candidates in one long run expensive. 96
/// random base62 characters lack a digit once in ten million keys.
constexpr std::size_t kJudgedBytes = 96;

bool looks_random(std::string_view body, bool needs_digit) noexcept {
  std::uint64_t seen[4] = {};
  int different = 0;
  bool digit = false;
  for (const char c : body.substr(0, kJudgedBytes)) {
    const auto u = static_cast<unsigned char>(c);
    std::uint64_t& word = seen[u >> 6];
    const std::uint64_t bit = std::uint64_t{1} << (u & 63);
    different += (word & bit) == 0 ? 1 : 0;
    word |= bit;
    digit = digit || is(c, kDigit);
    if (different >= kMinDifferent && (digit || !needs_digit)) return true;
  }
  return false;
}

/// SG.<22>.<43>
std::size_t sendgrid_end(Window& w, ClassRuns& runs, std::size_t dot) noexcept {
  if (w.at(dot) != '.') return 0;
  const std::size_t secret = dot + 1;
  const std::size_t end = runs.end(w, kWord, secret, secret + kSendgridSecretMax + 1);
  const std::size_t size = end - secret;
  return size >= kSendgridSecretMin && size <= kSendgridSecretMax ? end : 0;
}

/// Routable GitLab tokens go on with ".01.1a2b3c4d5": up to two short lower-case parts.
std::size_t gitlab_end(Window& w, std::size_t end) noexcept {
  for (int part = 0; part < 2; ++part) {
    if (w.at(end) != '.') break;
    std::size_t i = end + 1;
    while (i < end + 11 && is(w.at(i), kLower | kDigit)) ++i;
    const std::size_t size = i - end - 1;
    if (size < 2 || size > 9 || is(w.at(i), kAlnum)) break;
    end = i;
  }
  return end;
}

}  // namespace

std::span<const KeySpec> key_specs() noexcept {
  return kSpecs;
}

std::size_t ClassRuns::end(Window& w, CharClass cls, std::size_t from, std::size_t limit) noexcept {
  // One remembered run per class; the classes are single bits or kAlnum/kAlpha, told apart by their
  // lowest bit among those in use.
  const auto slot = static_cast<std::size_t>(
      cls == kAlnum ? 6 : (cls == kAlpha ? 7 : std::min(5, std::countr_zero(unsigned{cls}) - 3)));
  Run& run = runs_[slot];
  std::size_t i = from;
  if (from >= run.begin && from < run.end) {
    i = std::min(run.end, limit);
  } else {
    run.begin = from;
    run.end = from;
  }
  while (i < limit && is(w.at(i), cls)) ++i;
  run.end = std::max(run.end, i);
  return i;
}

Finding find_api_key(Window& w, ClassRuns& runs, const KeySpec& spec, std::size_t body) noexcept {
  Finding found{body - spec.literal.size(), 0, false};
  if (spec.boundary && !w.left_boundary(found.begin)) return found;
  const std::size_t limit = body + spec.max + 1u;
  std::size_t end = runs.end(w, spec.cls, body, limit);
  if (end - body < spec.min) return found;
  if (end == limit) {
    if (spec.exact) return found;
    --end;
  }
  const std::string_view run = w.text.substr(body, end - body);
  if (!looks_random(run, spec.needs_digit)) return found;
  switch (spec.shape) {
    case KeyShape::plain:
      break;
    case KeyShape::openai_legacy:
      // Old OpenAI keys and the many that copied the prefix: long, and never words with dashes.
      if (std::count_if(run.begin(), run.end(), [](char c) { return is(c, kDigit); }) < 2) {
        return found;
      }
      break;
    case KeyShape::sendgrid:
      found.end = sendgrid_end(w, runs, end);
      return found;
    case KeyShape::gitlab:
      end = gitlab_end(w, end);
      break;
  }
  found.end = end;
  found.certain = !spec.exact;
  return found;
}

}  // namespace tollgate::domain::policy
