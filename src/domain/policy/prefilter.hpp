#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "domain/policy/chars.hpp"

/// The one loop that reads every byte of a text for the built-in detectors: where digits stand, and
/// where a literal may. Everything else looks at what it marks.
namespace tollgate::domain::policy {

/// Bit i is byte i of 64.
struct BlockMarks {
  std::uint64_t digits, anchors;
};

/// Marks the last byte of every anchor, and little else: after "Teddy" of Hyperscan. An anchor is
/// three bytes in a row of a literal (what stands before a shorter literal may be anything), in one
/// of eight buckets; two tables say of each of its bytes which buckets take this low and this high
/// half. A table of 16 entries is one instruction (pshufb) for 16 or 32 bytes of text.
struct AnchorTables {
  using Nibbles = std::array<std::uint8_t, 16>;
  alignas(16) std::array<Nibbles, 3> low{};
  alignas(16) std::array<Nibbles, 3> high{};

  /// Takes that anchor of `literal`, and that bucket, which let the least other text pass.
  /// @return the place of the anchor's last byte in the literal. Add the shortest literals first.
  std::size_t add(std::string_view literal) noexcept;
};

/// Marks blocks of 64 bytes, all there, and so are the two bytes before the first.
using Classify = void(const char* p, std::size_t blocks, const AnchorTables& tables,
                      BlockMarks* out);
/// What this CPU can run, the best last; the first needs nothing special.
[[nodiscard]] std::vector<Classify*> classifiers();

/// Marks `marks.size()` blocks, of which only the last may be short. Reads no byte outside of
/// `text`; uses the best instructions of the CPU it runs on.
/// @param from  first byte of the first block. Bytes before it are context.
/// @return blocks marked: fewer when the text ends.
std::size_t mark_blocks(std::string_view text, std::size_t from, const AnchorTables& tables,
                        std::span<BlockMarks> marks) noexcept;

/// Calls, in this order for a few KB at a time:
/// - `number(start, is_long)` for every run of two or more digits that begins at or after `from`;
///   `is_long`: of four or more. Shorter ones are left out: no detector wants them.
/// - `anchor(last)` for every byte at or after `from` that may be the last one of an anchor.
/// @param is_final  false: the text may go on, so a run that reaches its end counts as long.
template <class Number, class Anchor>
void each_candidate(std::string_view text, std::size_t from, bool is_final,
                    const AnchorTables& tables, Number&& number, Anchor&& anchor) {
  constexpr std::size_t kBatch = 32;
  std::array<BlockMarks, kBatch> marks;  // written before they are read
  std::uint64_t carry = from > 0 && is(text[from - 1], kDigit) ? 1 : 0;  // a digit stands before
  while (from < text.size()) {
    const std::size_t count = mark_blocks(text, from, tables, marks);
    const std::size_t end = from + 64 * count;
    const bool is_last = end >= text.size();
    // What stands behind the text, or the batch: digits, as far as is known here.
    const std::uint64_t behind = is_last && is_final ? 0 : ~std::uint64_t{0};
    if (is_last && end > text.size())
      marks[count - 1].digits |= behind << (64 - (end - text.size()));
    for (std::size_t b = 0; b < count; ++b) {
      const std::uint64_t digits = marks[b].digits;
      std::uint64_t starts = digits & ~(digits << 1 | carry);
      carry = digits >> 63;
      if (starts == 0) continue;
      const std::uint64_t next = b + 1 < count ? marks[b + 1].digits : behind;
      const std::uint64_t second = digits >> 1 | next << 63;
      const std::uint64_t third = digits >> 2 | next << 62, fourth = digits >> 3 | next << 61;
      const std::uint64_t four = second & third & fourth;
      for (starts &= second; starts != 0; starts &= starts - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(starts));
        const std::size_t at = from + 64 * b + bit;
        if (at >= text.size()) break;
        number(at, (four >> bit & 1) != 0);
      }
    }
    for (std::size_t b = 0; b < count; ++b) {
      for (std::uint64_t bits = marks[b].anchors; bits != 0; bits &= bits - 1)
        anchor(from + 64 * b + static_cast<std::size_t>(std::countr_zero(bits)));
    }
    from = end;
  }
}

}  // namespace tollgate::domain::policy
