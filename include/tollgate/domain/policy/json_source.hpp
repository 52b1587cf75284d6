#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::domain::policy {

/// JSON source that arrives in pieces (TextForm::json_source), beside its text with the escapes
/// resolved: guardrails read the text, as the agent's JSON reader will, and the agent gets the
/// source. Tells where in the source a byte of the text stands.
///
/// Escapes mean the same inside a string and out of it, where there are none: no state is kept of
/// where strings begin. What is no escape stays as it is. The text belongs to the caller, who
/// appends to it by feed() and finish() only. While it has no escape nothing is kept here: text and
/// source are then the same.
class JsonSource {
 public:
  /// Appends to `text` what `piece` adds: an escape once it is whole.
  void feed(std::string_view piece, std::string& text);
  /// The source ends, or seems to: the beginning of an escape is text as it stands.
  void finish(std::string& text);
  /// The first `cut` bytes of the text were cut off.
  void drop(std::size_t cut);
  void clear() noexcept;
  void shrink_to_fit();

  /// Whether the source differs from the text.
  [[nodiscard]] bool differs() const noexcept { return !source_.empty(); }
  /// While it differs.
  [[nodiscard]] std::string_view source() const noexcept { return source_; }
  /// Bytes of memory.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return source_.capacity() + escapes_.capacity() * sizeof(Escape);
  }
  /// Where in the source the byte `at` of the text begins: with its escape, when one stands for it.
  [[nodiscard]] std::size_t begin_of(std::size_t at) const noexcept;
  /// Where the source of the text before `at` ends: behind the last escape that has a part in it.
  [[nodiscard]] std::size_t end_of(std::size_t at) const noexcept;

 private:
  struct Escape {
    std::size_t text, source;  ///< where it begins
    std::uint8_t text_size, source_size;
  };
  [[nodiscard]] const Escape* last_before(std::size_t at) const noexcept;

  std::string source_;
  std::size_t read_ = 0;  ///< of the source, into the text
  std::vector<Escape> escapes_;
};

}  // namespace tollgate::domain::policy
