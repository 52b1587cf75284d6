#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tollgate/json/document.hpp"

namespace tollgate::json {

/// A place in a Document where text stands that somebody will read: a string value, a key, or a
/// number long enough to be one (a card number sent as a number).
struct TextRef {
  NodeRef node;
  bool is_key = false;  ///< the node's key is meant, not its value

  /// The text as its reader sees it; a number's digits.
  [[nodiscard]] std::string_view text(std::string& scratch) const;
  /// The bytes to replace, quotes included. A replacement must be a JSON string with quotes; that
  /// is right for numbers too.
  [[nodiscard]] std::uint32_t begin_offset() const noexcept;
  [[nodiscard]] std::uint32_t end_offset() const noexcept;
};

/// Numbers with at least this many characters count as text.
inline constexpr std::uint32_t kNumberAsTextBytes = 12;

/// Appends every text below and including `root`, in document order: free-form JSON, where nothing
/// is known to be harmless (tool arguments, JSON-RPC params).
/// @param with_keys  also the members' keys.
void append_texts(NodeRef root, bool with_keys, std::vector<TextRef>& out);

}  // namespace tollgate::json
