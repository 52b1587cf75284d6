#include "domain/demo/text_source.hpp"

#include <algorithm>
#include <array>

namespace tollgate::domain::demo {
namespace {

constexpr std::size_t kPieceBytes = 8;
constexpr std::array<std::string_view, 8> kWords = {"north", "east", "south", "west",
                                                    "up",    "down", "left",  "right"};

bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u;
}

/// The longest prefix of at most `most` bytes that ends between two code points.
std::size_t whole_code_points(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text.size();
  std::size_t end = most;
  while (end > 0 && is_continuation(text[end])) --end;
  return end;
}

}  // namespace

bool TextSource::next_word(std::string& piece) const {
  if (position_ >= static_cast<std::size_t>(words_)) return false;
  piece = kWords[position_ % kWords.size()];
  if (position_ + 1 < static_cast<std::size_t>(words_)) piece.push_back(' ');
  return true;
}

bool TextSource::next(std::string& piece) {
  if (cut_) return false;
  if (words_ >= 0) {
    if (!next_word(piece)) return false;
    ++position_;
  } else {
    const std::string_view rest = std::string_view(text_).substr(position_);
    if (rest.empty()) return false;
    const std::size_t space = rest.find_first_of(" \n");
    std::size_t size = space == std::string_view::npos ? rest.size() : space + 1;
    if (size > kPieceBytes) size = whole_code_points(rest, kPieceBytes);
    piece = rest.substr(0, size);
    position_ += size;
  }
  if (piece.size() > left_) {
    piece.resize(whole_code_points(piece, left_));
    cut_ = true;
    if (piece.empty()) return false;
  }
  left_ -= piece.size();
  return true;
}

void TextSource::restart() noexcept {
  position_ = 0;
  left_ = left_at_start_;
  cut_ = false;
}

}  // namespace tollgate::domain::demo
