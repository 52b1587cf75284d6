#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/policy/rule_set.hpp"

namespace tollgate::domain::policy {

struct ScanState;  // src/domain/policy/scan_state.hpp

/// Finds every guarded span of a text.
///
/// Place:    one per worker; owns Vectorscan's scratch memory and all buffers, so that a call
///           allocates nothing once it has seen its rule sets.
/// Threads:  one at a time.
/// Cost:     linear in the text for the built-in detectors, whatever the text is
/// (docs/guardrails.md
///           has the figures).
class Scanner {
 public:
  Scanner();
  ~Scanner();
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  /// Scans a whole text (at most 1 GiB, else std::length_error).
  /// @param out  replaced by the matches: sorted, not overlapping. Spans of mask and block rules
  ///             that overlap are joined under the strongest, then longest, then first of them;
  ///             flag spans likewise among themselves; a flag overlapped by a mask or block is
  ///             dropped.
  /// @return the strongest action of `out`; allow when it is empty.
  GuardAction scan(const RuleSet& rules, Direction direction, std::string_view text,
                   std::vector<Match>& out);

  [[nodiscard]] ScanState& state() noexcept { return *state_; }

 private:
  std::unique_ptr<ScanState> state_;
};

/// A whole text's outcome in one value, for callers that do not keep a match buffer.
struct Verdict {
  GuardAction action = GuardAction::allow;
  std::vector<Match> matches;
};
[[nodiscard]] Verdict inspect(Scanner& scanner, const RuleSet& rules, Direction direction,
                              std::string_view text);

}  // namespace tollgate::domain::policy
