#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/result.hpp"

namespace tollgate::json {

enum class Kind : std::uint8_t { null, boolean, number, string, array, object };
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;

/// What a parse accepts. Sizes are bounded by the caller, who read the bytes; these bound the rest.
struct ParseLimits {
  std::uint32_t max_depth = 64;         ///< nested arrays and objects; at most 1024
  std::uint32_t max_nodes = 1'000'000;  ///< values, containers included
  /// `\ud83d` without its other half. Refused by default, as OpenAI and Anthropic do with requests;
  /// allowed for what upstreams send (a model may cut an emoji): reads as U+FFFD, forwards as it
  /// is.
  bool allow_lone_surrogates = false;
  /// False: numbers that are elements of arrays are checked and counted by size(), but have no node
  /// and are not among children(). For answers that hold vectors: a batch of embeddings is millions
  /// of numbers that nobody here reads.
  bool keep_array_numbers = true;
};

/// One value in the flat index of a Document: byte ranges in the text, nothing copied.
struct Node {
  std::uint32_t begin;      ///< first byte, the quote of a string included
  std::uint32_t end;        ///< one past the last byte, the quote of a string included
  std::uint32_t key_begin;  ///< of a member's key, quote included; equals key_end when it has none
  std::uint32_t key_end;
  std::uint32_t next;   ///< index one past this value's subtree: its next sibling, if it has one
  std::uint32_t count;  ///< elements or members
  Kind kind;
  bool has_escape;  ///< a string whose text differs from its bytes
  bool key_has_escape;
};

class Document;

/// A value of a Document, or nothing. Cheap to copy; valid until the Document parses again or ends.
/// Every question to "nothing" has the empty answer, so that chains like
/// `root.find("a").find("b").text()` need no checks.
class NodeRef {
 public:
  NodeRef() = default;

  [[nodiscard]] explicit operator bool() const noexcept { return document_ != nullptr; }
  [[nodiscard]] inline Kind kind() const noexcept;  ///< null for nothing
  [[nodiscard]] bool is(Kind kind) const noexcept { return document_ && this->kind() == kind; }
  [[nodiscard]] bool is_null() const noexcept { return is(Kind::null); }
  [[nodiscard]] bool is_string() const noexcept { return is(Kind::string); }
  [[nodiscard]] bool is_number() const noexcept { return is(Kind::number); }
  [[nodiscard]] bool is_object() const noexcept { return is(Kind::object); }
  [[nodiscard]] bool is_array() const noexcept { return is(Kind::array); }

  /// The value's bytes as they stand in the text, quotes included.
  [[nodiscard]] inline std::string_view raw() const noexcept;
  [[nodiscard]] inline std::uint32_t begin_offset() const noexcept;
  [[nodiscard]] inline std::uint32_t end_offset() const noexcept;
  /// The key's bytes, quotes included; empty for elements and the root.
  [[nodiscard]] inline std::string_view key_raw() const noexcept;
  /// Whether the key reads as `key`, however it is spelled (`"\u0061"` is `a`).
  [[nodiscard]] bool key_is(std::string_view key) const noexcept;
  /// The key's text; unescaped text lives in the Document until it parses again.
  [[nodiscard]] std::string_view key() const;

  /// Elements or members; 0 for scalars.
  [[nodiscard]] inline std::uint32_t size() const noexcept;
  /// The member of that name (keys are unique), or nothing. Linear in the members.
  [[nodiscard]] NodeRef find(std::string_view key) const noexcept;
  /// The element at `position`, or nothing. Linear.
  [[nodiscard]] NodeRef at(std::uint32_t position) const noexcept;

  class Iterator;
  struct Children;
  /// Elements, or members (ask each for key()), in order.
  [[nodiscard]] inline Children children() const noexcept;

  /// A string's text: a view of its bytes if nothing is escaped, else unescaped into `scratch`.
  /// Empty for other kinds. Lone surrogates read as U+FFFD.
  [[nodiscard]] std::string_view text(std::string& scratch) const;
  /// As above; unescaped text is kept in the Document until it parses again. For short strings that
  /// are asked for once (names, ids); not for prompts.
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] inline bool has_escape() const noexcept;
  /// Whether this is a string that reads as `expected`.
  [[nodiscard]] bool text_is(std::string_view expected) const noexcept;

  /// A number without fraction and exponent that fits; absent for everything else ("1.0" too).
  [[nodiscard]] std::optional<std::int64_t> as_int64() const noexcept;
  [[nodiscard]] std::optional<bool> as_bool() const noexcept;
  /// A number as double; absent when not a number or out of range.
  [[nodiscard]] std::optional<double> as_double() const noexcept;

  [[nodiscard]] const Document* document() const noexcept { return document_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }

 private:
  friend class Document;
  NodeRef(const Document* document, std::uint32_t index) noexcept
      : document_(document), index_(index) {}
  [[nodiscard]] inline const Node& node() const noexcept;

  const Document* document_ = nullptr;
  std::uint32_t index_ = 0;
};

/// One strict JSON text (RFC 8259) as a flat index over the caller's bytes.
///
/// Purpose:  one pass finds every value; after that policy, budget and router read any of them in
///           any order, and edits go back to the bytes by offset (Splicer), so that what nobody
///           governs stays as it was.
/// Strict:   valid UTF-8, nothing after the value, no byte order mark, every number, literal,
///           string and escape checked, and no key twice in one object: parsers differ on
///           which one wins, and a policy that read the other one would be bypassed.
/// Memory:   the text is not copied and must stay in place while NodeRefs are used. The index is
///           reused: no allocation once it has grown (see trim). Needs no padding after the text.
/// Cost:     on a busy EPYC core 0.26 us for a 1 KB chat body, 2.3 us for 100 KB of prose, 27 us
///           for 100 KB of code with an escape every 12 bytes (bench/micro/json_bench.cpp). Linear
///           in the text, duplicate keys included.
/// Threads:  one at a time. Address-stable while referred to (no copies, no moves).
class Document {
 public:
  Document() = default;
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  /// Parses `text` (at most 1 GiB), forgetting what was there; on an error the Document is empty.
  /// Errors: invalid_json, with the byte offset and what was expected; never the content.
  [[nodiscard]] base::Result<void> parse(std::string_view text, const ParseLimits& limits = {});

  /// The top value; nothing before a parse or after a failed one.
  [[nodiscard]] NodeRef root() const noexcept {
    return node_count_ == 0 ? NodeRef() : NodeRef(this, 0);
  }
  [[nodiscard]] NodeRef ref(std::uint32_t index) const noexcept { return NodeRef(this, index); }
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] std::uint32_t node_count() const noexcept { return node_count_; }
  [[nodiscard]] const Node& node(std::uint32_t index) const noexcept { return nodes_[index]; }

  void clear() noexcept;
  /// Forgets the parse and gives memory back if the index has grown over `keep_nodes` (about 28
  /// bytes each): for Documents that are pooled.
  void trim(std::uint32_t keep_nodes = 16'384) noexcept;
  /// Gives back room of a large index that the parse did not need: for Documents that are kept over
  /// a wait. NodeRefs stay good.
  void shrink();
  /// Gives the index back: no NodeRef is good any more, while texts read before stay.
  void drop_index() noexcept;
  /// Memory the index holds, in bytes.
  [[nodiscard]] std::size_t index_bytes() const noexcept {
    return std::size_t{node_capacity_} * sizeof(Node);
  }

 private:
  friend class NodeRef;
  friend class IndexBuilder;
  friend class Outline;
  std::string_view pin(std::string_view escaped) const;

  std::string_view text_;
  std::unique_ptr<Node[]> nodes_;
  std::uint32_t node_count_ = 0;
  std::uint32_t node_capacity_ = 0;
  mutable std::vector<std::unique_ptr<char[]>> pinned_;  ///< unescaped texts given out
};

/// Appends the text of a string's bytes between its quotes, escapes resolved. The bytes must come
/// from a parsed Document.
void unescape_into(std::string& out, std::string_view escaped);

class NodeRef::Iterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = NodeRef;
  using difference_type = std::ptrdiff_t;
  using pointer = const NodeRef*;
  using reference = NodeRef;

  Iterator() = default;
  Iterator(const Document* document, std::uint32_t index) : document_(document), index_(index) {}
  NodeRef operator*() const noexcept { return NodeRef(document_, index_); }
  inline Iterator& operator++() noexcept;
  Iterator operator++(int) noexcept {
    Iterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

 private:
  const Document* document_ = nullptr;
  std::uint32_t index_ = 0;
};

struct NodeRef::Children {
  Iterator first, last;
  [[nodiscard]] Iterator begin() const noexcept { return first; }
  [[nodiscard]] Iterator end() const noexcept { return last; }
};

inline const Node& NodeRef::node() const noexcept {
  return document_->node(index_);
}
inline Kind NodeRef::kind() const noexcept {
  return document_ ? node().kind : Kind::null;
}
inline std::string_view NodeRef::raw() const noexcept {
  if (!document_) return {};
  return document_->text().substr(node().begin, node().end - node().begin);
}
inline std::uint32_t NodeRef::begin_offset() const noexcept {
  return document_ ? node().begin : 0;
}
inline std::uint32_t NodeRef::end_offset() const noexcept {
  return document_ ? node().end : 0;
}
inline std::string_view NodeRef::key_raw() const noexcept {
  if (!document_) return {};
  return document_->text().substr(node().key_begin, node().key_end - node().key_begin);
}
inline std::uint32_t NodeRef::size() const noexcept {
  return document_ ? node().count : 0;
}
inline bool NodeRef::has_escape() const noexcept {
  return document_ && node().has_escape;
}
inline NodeRef::Children NodeRef::children() const noexcept {
  if (!document_ || node().count == 0) return {};
  return {Iterator(document_, index_ + 1), Iterator(document_, node().next)};
}
inline NodeRef::Iterator& NodeRef::Iterator::operator++() noexcept {
  index_ = document_->node(index_).next;
  return *this;
}

}  // namespace tollgate::json
