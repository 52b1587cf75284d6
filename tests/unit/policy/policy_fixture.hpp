#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/policy/engine.hpp"
#include "tollgate/domain/policy/scanner.hpp"
#include "tollgate/domain/policy/stream_guard.hpp"

namespace tollgate::domain::policy::testing {

inline config::GuardRule detector(std::string name, GuardAction action = GuardAction::mask) {
  config::GuardRule rule;
  rule.name = name;
  rule.pattern = std::move(name);
  rule.action = action;
  return rule;
}
inline config::GuardRule regex(std::string name, std::string pattern,
                               GuardAction action = GuardAction::mask) {
  config::GuardRule rule;
  rule.name = std::move(name);
  rule.kind = config::RuleKind::regex;
  rule.pattern = std::move(pattern);
  rule.action = action;
  return rule;
}
inline config::GuardRule keyword(std::string name, std::string word, bool case_insensitive = false,
                                 GuardAction action = GuardAction::mask) {
  config::GuardRule rule = regex(std::move(name), std::move(word), action);
  rule.kind = config::RuleKind::keyword;
  rule.case_insensitive = case_insensitive;
  return rule;
}
inline std::vector<config::GuardRule> all_detectors(GuardAction action = GuardAction::mask) {
  return {detector("email", action), detector("payment_card", action), detector("iban", action),
          detector("api_key", action), detector("private_key", action)};
}

/// One guardrail named "g", compiled.
class Compiled {
 public:
  explicit Compiled(std::vector<config::GuardRule> rules) {
    Guardrails guardrails;
    guardrails["g"].name = "g";
    guardrails["g"].rules = std::move(rules);
    engine_ = PolicyEngine::compile(guardrails).value();
    rules_ = engine_->rules_for(std::vector<std::string>{"g"}).value();
  }
  const RuleSet& operator*() const { return *rules_; }

  std::string mask(std::string_view text) {
    scanner_.scan(*rules_, Direction::response, text, matches_);
    return rules_->mask(text, matches_);
  }
  GuardAction action(std::string_view text) {
    return scanner_.scan(*rules_, Direction::response, text, matches_);
  }
  const std::vector<Match>& matches() const { return matches_; }
  Scanner& scanner() { return scanner_; }

 private:
  std::shared_ptr<const PolicyEngine> engine_;
  const RuleSet* rules_ = nullptr;
  Scanner scanner_;
  std::vector<Match> matches_;
};

using Rng = std::mt19937_64;
inline std::size_t below(Rng& rng, std::size_t n) {
  return static_cast<std::size_t>(rng() % n);
}
inline std::string random_chars(Rng& rng, std::string_view alphabet, std::size_t n) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(alphabet[below(rng, alphabet.size())]);
  return out;
}

/// An unencrypted-looking PEM block with `lines` full lines of fixed, made-up base64.
inline std::string pem_block(std::string_view label, int lines, std::string_view newline = "\n") {
  std::string out = "-----BEGIN " + std::string(label) + "-----" + std::string(newline);
  Rng rng(7);
  constexpr std::string_view kBase64 =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int i = 0; i < lines; ++i) out += random_chars(rng, kBase64, 64) + std::string(newline);
  out += "ab3d5f==" + std::string(newline) + "-----END " + std::string(label) + "-----";
  return out;
}

/// Well-shaped but made-up values, put together at run time so that no scanner of this repository
/// takes them for real.
namespace sample {
inline const std::string kHex64 =
    "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
inline const std::string kHex32 = kHex64.substr(0, 32);
inline const std::string kMixed =
    "Q7wE2rT9yU4iO1pA8sD3fG6hJ5kL0zXcVbNmQwErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUiOpAsDfGhJkLz"
    "XcVbNm1234567890qWeRtYuIoPaSdFgHjKlZxCvBnM";
inline std::string mixed(std::size_t n) {
  return kMixed.substr(0, n);
}
}  // namespace sample

}  // namespace tollgate::domain::policy::testing
