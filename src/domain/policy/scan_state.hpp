#pragma once

#include <hs.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/policy/compiled.hpp"
#include "domain/policy/detectors.hpp"
#include "domain/policy/resolve.hpp"
#include "domain/policy/window.hpp"

namespace tollgate::domain::policy {

/// A regex may look at the code point after its match (\b), `$` at a final newline.
inline constexpr std::size_t kRegexLookahead = 4;

/// A worker's scanning memory, and the one scan that whole texts and streams share.
struct ScanState {
  ScanState();
  ~ScanState();
  ScanState(const ScanState&) = delete;
  ScanState& operator=(const ScanState&) = delete;

  /// Finds everything in `w` at or after its base. Results below, valid until the next call.
  void collect(const CompiledRules& rules, Window& w);

  std::vector<Match> raw;      ///< certain findings, sorted by begin; clipped to w.base
  std::size_t hold = 0;        ///< not final: findings that begin here or later may still change
  std::size_t other_hold = 0;  ///< the same without the window of the regexes
  std::optional<Match> block;  ///< not final: a block rule matches for sure, its end still open
  std::optional<PemReader> open_pem;  ///< not final: the PEM block the text ends in

  Resolver resolver;

 private:
  struct Pass;
  void prepare(const CompiledRules& rules);
  void alloc_scratch(const hs_database_t* db);

  hs_scratch_t* scratch_ = nullptr;
  std::vector<std::uint64_t> prepared_;  ///< ids of rule sets the scratch is large enough for
  ClassRuns runs_;
  std::vector<std::size_t> last_of_;  ///< per user pattern: its last entry in raw, +1; 0 = none
  std::string utf8_buffer_;
};

}  // namespace tollgate::domain::policy
