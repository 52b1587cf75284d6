#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "domain/policy/prefilter.hpp"

namespace tollgate::domain::policy {

/// Every literal of the built-in detectors, found by the prefilter's anchors.
struct LiteralSet {
  enum class Kind : std::uint8_t { key, pem, at_sign };
  struct Literal {
    std::string_view text;
    Kind kind = Kind::key;
    std::uint16_t spec = 0;    ///< index into key_specs()
    std::uint16_t anchor = 0;  ///< place of its anchor's last byte
  };
  AnchorTables tables;
  std::size_t longest = 0;

  /// Threads: any.
  static const LiteralSet& instance();
  /// The literals whose anchor ends with `c`, the shorter first.
  [[nodiscard]] std::span<const Literal> ending_in(char c) const noexcept {
    const auto at = static_cast<unsigned char>(c);
    return {literals_.data() + first_[at], literals_.data() + first_[at + 1u]};
  }
  /// Where a proper prefix of a literal that reaches the end of the text begins; text.size() if
  /// none.
  [[nodiscard]] std::size_t hold(std::string_view text) const noexcept;

 private:
  LiteralSet();
  std::vector<Literal> literals_;           ///< by the last byte of their anchor
  std::array<std::uint16_t, 257> first_{};  ///< of a byte's literals
  std::array<std::vector<std::string_view>, 256> by_first_byte_;
};

}  // namespace tollgate::domain::policy
