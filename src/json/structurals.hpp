#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace tollgate::json {

/// Finds where every JSON token of a text begins: simdjson's first stage, and nothing else of it.
///
/// Brackets, commas, colons, opening quotes, and first bytes of numbers and literals (any byte that
/// is none of these counts as the beginning of a literal). Strings are skipped as a whole. The text
/// is valid UTF-8 without control characters inside strings when this succeeds; nothing else is
/// checked. Uses the best instruction set of the CPU it runs on.
/// Reads no byte outside the text (tested against a guard page), though simdjson reserves the
/// right.
class StructuralScan {
 public:
  /// Text offsets, ascending; valid until the next scan of this object. Empty on any error.
  [[nodiscard]] std::span<const std::uint32_t> scan(std::string_view text);
  /// Gives memory back that only a large text needed.
  void trim() noexcept;

  StructuralScan();
  ~StructuralScan();
  StructuralScan(const StructuralScan&) = delete;
  StructuralScan& operator=(const StructuralScan&) = delete;

 private:
  struct Stage1;
  std::unique_ptr<Stage1> stage1_;
};

}  // namespace tollgate::json
