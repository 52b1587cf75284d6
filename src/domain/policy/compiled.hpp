#pragma once

#include <hs.h>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/policy/detectors.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/domain/policy/rule_set.hpp"

namespace tollgate::domain::policy {

struct DatabaseDeleter {
  void operator()(hs_database_t* db) const noexcept { hs_free_database(db); }
};
using Database = std::unique_ptr<hs_database_t, DatabaseDeleter>;

/// One regex or keyword rule inside a user database.
struct UserPattern {
  std::uint32_t rule = 0;
  bool keyword = false;
  std::size_t bytes = 0;   ///< keyword of fixed length: its bytes; 0 = Vectorscan tracks starts
  bool left_word = false;  ///< keyword: its first byte is a word character, so is a boundary
  bool right_word = false;
  bool unbounded = false;  ///< regex: no usable largest width
  bool observed = false;   ///< regex that only flags, beside rules that rewrite
};

/// A regex or keyword turned into what Vectorscan compiles.
struct UserExpression {
  std::string text;
  unsigned flags = 0;
  UserPattern pattern;
  std::size_t hold = 0;  ///< largest width in bytes; 0 for a keyword of fixed length
};

/// Compiles one rule alone. Errors: invalid_request with Vectorscan's reason.
[[nodiscard]] base::Result<UserExpression> user_expression(const config::GuardRule& rule,
                                                           std::size_t regex_hold_bytes);
[[nodiscard]] base::Result<Database> compile_database(const std::vector<UserExpression>& all);

/// Keywords of a rule set as stream tails see them.
class KeywordTails {
 public:
  void add(std::string_view keyword);
  void seal();
  /// Where a prefix of a keyword (or a whole one, whose right boundary is open) that reaches the
  /// end of the text begins; text.size() when none does.
  [[nodiscard]] std::size_t hold(std::string_view text) const noexcept;

 private:
  std::vector<std::string> folded_;  ///< sorted
  std::size_t longest_ = 0;
  std::bitset<256> first_;
};

/// The rules of one direction.
struct CompiledRules {
  std::array<std::int32_t, kDetectorCount> detector_rule{-1, -1, -1, -1, -1};
  bool has_detectors = false;
  std::vector<GuardAction> actions;  ///< by rule index
  enum class Origin : std::uint8_t {
    detector,
    bounded_pattern,
    unbounded_pattern,
    observed_pattern,  ///< see observed_bytes
  };
  std::vector<Origin> origins;        ///< by rule index
  std::vector<UserPattern> patterns;  ///< index = Vectorscan id
  Database database;                  ///< null: no regex or keyword
  bool needs_utf8 = false;            ///< a pattern was compiled in UTF-8 mode
  std::size_t regex_hold = 0;         ///< bytes held for regexes; 0 = none
  /// Regexes that only flag while others rewrite hold nothing back: streams look for them again in
  /// this many bytes of decided text.
  std::size_t observed_bytes = 0;
  KeywordTails keywords;
  bool has_keywords = false;
  bool empty = true;
  bool rewrites = false;
  std::uint64_t id = 0;  ///< unique in the process, so that scanners know what they prepared for

  [[nodiscard]] std::int32_t rule_of(Detector d) const noexcept {
    return detector_rule[static_cast<std::size_t>(d)];
  }
};

}  // namespace tollgate::domain::policy
