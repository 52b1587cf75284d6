#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tollgate::domain::demo {

/// The text of an answer, in pieces such as a model sends: a word with the space after it, long
/// words in pieces of eight bytes (so that guards meet secrets that are cut), code points never
/// cut. Generated words are made on demand: a million of them take no memory.
class TextSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  static TextSource words(std::int64_t count) {
    TextSource source{std::string()};
    source.words_ = count;
    return source;
  }
  /// Nothing beyond `bytes` bytes comes out.
  void limit(std::size_t bytes) noexcept { left_at_start_ = left_ = bytes; }

  /// Replaces `piece` by the next one; false at the end.
  bool next(std::string& piece);
  void restart() noexcept;
  [[nodiscard]] bool was_cut() const noexcept { return cut_; }
  [[nodiscard]] std::size_t bytes_out() const noexcept { return left_at_start_ - left_; }

 private:
  bool next_word(std::string& piece) const;

  std::string text_;
  std::int64_t words_ = -1;  ///< < 0: the text is text_
  std::size_t position_ = 0;
  std::size_t left_at_start_ = SIZE_MAX;
  std::size_t left_ = SIZE_MAX;
  bool cut_ = false;
};

}  // namespace tollgate::domain::demo
