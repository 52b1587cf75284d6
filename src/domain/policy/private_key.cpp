#include <algorithm>

#include "domain/policy/detectors.hpp"

namespace tollgate::domain::policy {
namespace {

constexpr std::size_t kLabelBytes = 48;
constexpr std::size_t kHeaderBytes = 100;
constexpr int kMaxHeaders = 6;
/// A token this long is key material, not a word of prose after a BEGIN line. The shortest real
/// body line (Ed25519) has 60 or more.
constexpr std::size_t kMaterialBytes = 24;
/// The last line and PGP's checksum may be shorter.
constexpr int kMaxShortTokens = 2;

constexpr bool is_label_char(char c) noexcept {
  return is(c, kUpperDigit) || c == ' ';
}

}  // namespace

void PemReader::rebase(std::size_t bytes) noexcept {
  begin_ -= bytes;
  pos_ -= bytes;
  token_ -= token_ == 0 ? 0 : bytes;
  good_end_ -= good_end_ == 0 ? 0 : bytes;
}

/// "RSA PRIVATE KEY-----"; also four dashes with a space (SSH2), also "... BLOCK" (PGP).
bool PemReader::read_label(Window& w) noexcept {
  std::size_t i = pos_;
  while (i < pos_ + kLabelBytes && is_label_char(w.at(i))) ++i;
  std::string_view label = w.text.substr(pos_, i - pos_);
  while (label.ends_with(' ')) label.remove_suffix(1);
  if (label.ends_with(" BLOCK")) label.remove_suffix(6);
  if (w.at(i) != '-') return false;
  if (label != "PRIVATE KEY" && !label.ends_with(" PRIVATE KEY")) return false;
  if (!w.starts_with(i, "----")) return false;
  i += 4;
  if (w.at(i) == '-') ++i;
  if (w.hit_end) return false;  // the fifth dash may be still to come
  pos_ = i;
  return true;
}

/// White space, quotes of source code around each line, "\n" written as an escape, mail quoting.
/// @return false when the text ended inside.
bool PemReader::skip_separators(Window& w) noexcept {
  for (;;) {
    const char c = w.at(pos_);
    if (w.hit_end) return false;
    if (c == '\\') {
      std::size_t i = pos_;
      while (w.at(i) == '\\' && i < pos_ + 8) ++i;
      const char e = w.at(i);
      if (w.hit_end) return false;
      pos_ = e == 'n' || e == 'r' || e == 't' ? i + 1 : i;
    } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '"' || c == '\'' ||
               c == ',' || c == '>') {
      ++pos_;
    } else if (c == '+') {
      // `"..." +` of source code, or a line of base64 that begins with a plus.
      const char next = w.at(pos_ + 1);
      if (w.hit_end) return false;
      if (next != ' ' && next != '\n' && next != '\r') return true;
      ++pos_;
    } else {
      return true;
    }
    if (pos_ - begin_ > kPemBytes) return true;
  }
}

/// One "Proc-Type: 4,ENCRYPTED" line; pos_ moves behind it only when it is one.
bool PemReader::read_header(Window& w) noexcept {
  std::size_t i = pos_;
  while (i < pos_ + 30 && (is(w.at(i), kAlnum) || w.at(i) == '-')) ++i;
  if (i == pos_ || w.at(i) != ':' || is(w.at(pos_), kDigit) || w.at(pos_) == '-') return false;
  const std::size_t limit = pos_ + kHeaderBytes;
  while (i < limit && w.at(i) != '\n' && w.at(i) != '\\' && w.at(i) != '\0') ++i;
  if (i == limit || w.at(i) == '\0') return false;
  pos_ = i;
  return true;
}

/// "-----END RSA PRIVATE KEY-----" at pos_; 0 = not an END line.
std::size_t PemReader::read_end_line(Window& w) const noexcept {
  std::size_t i = pos_;
  while (i < pos_ + 5 && w.at(i) == '-') ++i;
  if (i < pos_ + 4) return 0;
  if (w.at(i) == ' ') ++i;
  if (!w.starts_with(i, "END")) return 0;
  i += 3;
  const std::size_t label = i;
  while (i < label + kLabelBytes && is_label_char(w.at(i))) ++i;
  const std::size_t dashes = i;
  while (i < dashes + 5 && w.at(i) == '-') ++i;
  return i;
}

Finding PemReader::read(Window& w) noexcept {
  Finding found{begin_, 0, good_end_ != 0};
  if (phase_ == Phase::label) {
    if (!read_label(w)) return found;
    phase_ = Phase::headers;
  }
  for (;;) {
    // Between tokens: pos_ is where the next one starts, or separators before it.
    if (token_ == 0) {
      if (!skip_separators(w)) break;
      if (phase_ == Phase::headers) {
        if (headers_ < kMaxHeaders && read_header(w)) {
          ++headers_;
          continue;
        }
        if (w.hit_end) break;
        phase_ = Phase::body;
      }
      if (w.at(pos_) == '-') {
        const std::size_t end = read_end_line(w);
        if (good_end_ != 0) found.end = end != 0 ? end : good_end_;
        return found;
      }
      token_ = pos_;
    }
    const std::size_t limit = begin_ + kPemBytes;
    while (token_ < limit && is(w.at(token_), kBase64)) ++token_;
    if (w.hit_end) {
      // Enough of a token is key material even if its line is not complete.
      found.certain = good_end_ != 0 || token_ - pos_ >= kMaterialBytes;
      found.end = token_ - pos_ >= kMaterialBytes ? token_ : good_end_;
      return found;
    }
    const std::size_t size = token_ - pos_;
    if (size >= kMaterialBytes) {
      good_end_ = token_;
      short_tokens_ = 0;
    } else if (size == 0 || good_end_ == 0 || ++short_tokens_ > kMaxShortTokens) {
      found.end = good_end_;  // not base64, or prose: the block, if it was one, ended before
      return found;
    }
    found.certain = good_end_ != 0;
    pos_ = token_;
    token_ = 0;
    if (pos_ >= limit) {
      found.end = good_end_;
      return found;
    }
  }
  found.end = good_end_;  // the text ends between two tokens
  return found;
}

}  // namespace tollgate::domain::policy
