#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/json/document.hpp"

namespace tollgate::json {

/// One parsed text, kept to know others by that differ from it only in what a few of its strings
/// say: the events of a stream, which carry the next words in the same members as the last.
///
/// Purpose:  such a text needs no parser. It is compared with the kept one up to each of those
///           strings, the string alone is read, and the index is the kept one with its offsets
///           moved. What does not fit is for Document::parse to judge; fit() finds no fault.
/// Exact:    after a fit() the Document is what parse() under the same limits would have made of
///           the text.
/// Bounds:   texts of kMaxText bytes, kMaxNodes values, kMaxSlots strings that may differ; what has
///           more is not kept. Memory: the text and its index; nothing is allocated once they grew.
/// Threads:  one. Lifetime: independent of the Document it was made from.
class Outline {
 public:
  static constexpr std::size_t kMaxText = 4 * 1024;
  static constexpr std::size_t kMaxNodes = 96;
  static constexpr std::size_t kMaxSlots = 6;

  /// Keeps what `document` holds now. `slots`: the strings that may differ, values and not keys, in
  /// document order. False, and nothing is kept, when there are none or it is over the bounds.
  bool keep(const Document& document, std::span<const NodeRef> slots);
  /// Nothing fits any more. What was kept is still known to varies().
  void clear() noexcept { is_kept_ = false; }
  [[nodiscard]] bool empty() const noexcept { return !is_kept_; }
  /// Whether the value in the same place of the text kept last (whatever stands there) was a slot
  /// or reads otherwise: a hint which strings of the next text to take for slots.
  [[nodiscard]] bool varies(NodeRef string) const noexcept;

  /// Makes `document` the parse of `text`, when that is the kept text with other strings in the
  /// slots, none of them empty. False: it is not (or may not be), and `document` is untouched.
  /// @param allow_lone_surrogates  as in ParseLimits; the other limits hold as they did for the
  /// kept text
  [[nodiscard]] bool fit(Document& document, std::string_view text, bool allow_lone_surrogates);

 private:
  /// A string that may differ. Its place is that in the kept text, without the quotes.
  struct Slot {
    std::uint32_t begin, end;
    std::uint32_t node;
    bool has_escape;  ///< in the text at hand
  };
  /// A node that moves: how many slots end before each of its offsets. `key` is 0 when it has none.
  struct Moves {
    std::uint32_t node;
    std::uint8_t key, begin, end;
  };

  std::string text_;
  std::vector<Node> nodes_;
  std::vector<Moves> moves_;  ///< of the nodes that end behind a slot
  std::array<Slot, kMaxSlots> slots_{};
  std::size_t slot_count_ = 0;
  bool is_kept_ = false;
};

}  // namespace tollgate::json
