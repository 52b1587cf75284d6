#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::policy {

using config::GuardAction;

/// Which way the text goes: request = what a model or tool will read, response = what the agent
/// will.
enum class Direction : std::uint8_t { request, response };

/// One guarded span of a text. `begin`/`end` are byte offsets, end exclusive, both on UTF-8
/// boundaries when the text is valid UTF-8. For streams they count from the channel's first byte.
/// `rule` indexes RuleSet::rules().
struct Match {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint32_t rule = 0;
  bool operator==(const Match&) const = default;
};

/// What a verdict needs to know about a rule: for refusals, audit rows and metrics.
struct Rule {
  std::string guardrail;
  std::string name;
  GuardAction action = GuardAction::flag;
  std::string replacement;  ///< what mask() writes, never empty unless configured so
};

struct CompiledRules;  // src/domain/policy/compiled.hpp

/// All rules of one combination of guardrails, compiled for both directions.
///
/// Made by PolicyEngine only. Immutable, so any number of workers scan with it at once.
/// Rules with action `allow` are validated and listed, but never searched for.
class RuleSet {
 public:
  RuleSet(std::vector<Rule> rules, std::shared_ptr<const CompiledRules> request,
          std::shared_ptr<const CompiledRules> response);
  ~RuleSet();
  RuleSet(const RuleSet&) = delete;
  RuleSet& operator=(const RuleSet&) = delete;

  [[nodiscard]] std::span<const Rule> rules() const noexcept { return rules_; }
  [[nodiscard]] const Rule& rule(const Match& match) const { return rules_[match.rule]; }
  /// Nothing to search for in this direction: callers skip the scan.
  [[nodiscard]] bool empty(Direction direction) const noexcept;
  /// Some rule masks or blocks in this direction; otherwise text is only observed, never held.
  [[nodiscard]] bool rewrites(Direction direction) const noexcept;
  /// Some rule is a regex or a keyword, which can match where no detector would: across quotes.
  [[nodiscard]] bool has_patterns(Direction direction) const noexcept;

  /// `text` with each mask or block match replaced by its rule's replacement; flag matches stay.
  /// @param matches  as Scanner::scan wrote them for exactly this text.
  [[nodiscard]] std::string mask(std::string_view text, std::span<const Match> matches) const;
  /// The same, appended to `out`.
  void mask_to(std::string& out, std::string_view text, std::span<const Match> matches) const;

  [[nodiscard]] const CompiledRules& compiled(Direction direction) const noexcept {
    return *compiled_[static_cast<std::size_t>(direction)];
  }

 private:
  std::vector<Rule> rules_;
  std::array<std::shared_ptr<const CompiledRules>, 2> compiled_;
};

}  // namespace tollgate::domain::policy
