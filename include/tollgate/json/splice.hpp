#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/json/document.hpp"

namespace tollgate::json {

/// Edits to a text by offset; every byte no edit names stays as it was.
///
/// Purpose:  change the model, a cap or a masked word in a body without re-serialising it.
/// Edits:    kept sorted; may come in any order; must not overlap. An edit of the very same range
///           (or an insertion of the same key into the same object) replaces the earlier one, so a
///           second attempt can set another model. Copy a Splicer to try edits on top of others.
/// Lifetime: the original text must outlive it. Replacements are copied in.
class Splicer {
 public:
  Splicer() = default;
  explicit Splicer(std::string_view original) : original_(original) {}
  explicit Splicer(const Document& document) : original_(document.text()) {}

  /// Starts over on another text, keeping memory.
  void reset(std::string_view original);
  /// Forgets text and edits, and gives memory back that is more than `keep_bytes`.
  void trim(std::size_t keep_bytes) noexcept;

  /// Replaces bytes [begin, end). An empty replacement removes. False (and nothing done) when the
  /// range is outside the text or overlaps another edit partly.
  bool replace(std::uint32_t begin, std::uint32_t end, std::string_view replacement);
  /// Replaces a value by JSON.
  bool replace(NodeRef value, std::string_view json) {
    return value && replace(value.begin_offset(), value.end_offset(), json);
  }
  /// Adds a member at the end of `object`, which must not have that key. `key` is plain text,
  /// `json` a JSON value.
  bool insert_member(NodeRef object, std::string_view key, std::string_view json);

  [[nodiscard]] bool empty() const noexcept { return edits_.empty(); }
  [[nodiscard]] std::string_view original() const noexcept { return original_; }
  /// Bytes of the result.
  [[nodiscard]] std::size_t size() const noexcept {
    return original_.size() + inserted_bytes_ - removed_bytes_;
  }
  /// Appends the result as views of the original and of this Splicer's replacements, none empty;
  /// valid until the next edit and while both live (copying or moving the Splicer makes new ones).
  void append_pieces(std::vector<std::string_view>& out) const;
  void append_to(std::string& out) const;
  [[nodiscard]] std::string str() const;

 private:
  struct Edit {
    std::uint32_t begin, end;
    std::uint32_t text_begin, text_size;  ///< in text_
    std::uint32_t key_size = 0;  ///< of an inserted member: its quoted key, after the comma
    bool has_comma = false;
  };
  [[nodiscard]] std::string_view text_of(const Edit& edit) const noexcept {
    return std::string_view(text_).substr(edit.text_begin, edit.text_size);
  }
  void set_text(Edit& edit, std::string_view a, std::string_view b = {}, std::string_view c = {});

  std::string_view original_;
  std::string text_;
  std::vector<Edit> edits_;
  std::size_t inserted_bytes_ = 0;
  std::size_t removed_bytes_ = 0;
};

}  // namespace tollgate::json
