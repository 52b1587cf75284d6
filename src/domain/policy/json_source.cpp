#include "tollgate/domain/policy/json_source.hpp"

#include <algorithm>
#include <array>

#include "domain/policy/chars.hpp"

namespace tollgate::domain::policy {
namespace {

/// What the escape at the front of `source` stands for.
struct Resolved {
  std::array<char, 4> bytes{};
  std::uint8_t text_size = 0;
  std::uint8_t source_size = 0;  ///< 0: none, the backslash is a byte like others
  bool is_partial = false;       ///< more must come before it can be told
};

unsigned hex_value(char c) noexcept {
  return is(c, kDigit) ? digit_value(c) : static_cast<unsigned>((c | 0x20) - 'a') + 10;
}

/// Reads `\uXXXX` at `at`. False when it is none, or not whole.
bool read_unit(std::string_view source, std::size_t at, unsigned& unit, bool& is_partial) noexcept {
  unit = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    if (at + i >= source.size()) {
      is_partial = true;
      return false;
    }
    const char c = source[at + i];
    if (i == 0 ? c != '\\' : (i == 1 ? c != 'u' : !is_hex(c))) return false;
    if (i >= 2) unit = unit << 4 | hex_value(c);
  }
  return true;
}

void put(Resolved& out, unsigned byte) noexcept {
  out.bytes[out.text_size++] = static_cast<char>(byte);
}

void put_code_point(Resolved& out, unsigned c) noexcept {
  if (c < 0x80) {
    put(out, c);
  } else if (c < 0x800) {
    put(out, 0xC0 | c >> 6);
    put(out, 0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(out, 0xE0 | c >> 12);
    put(out, 0x80 | (c >> 6 & 0x3F));
    put(out, 0x80 | (c & 0x3F));
  } else {
    put(out, 0xF0 | c >> 18);
    put(out, 0x80 | (c >> 12 & 0x3F));
    put(out, 0x80 | (c >> 6 & 0x3F));
    put(out, 0x80 | (c & 0x3F));
  }
}

Resolved resolve(std::string_view source) noexcept {
  Resolved out;
  if (source.size() < 2) {
    out.is_partial = true;
    return out;
  }
  constexpr std::string_view kNames = "\"\\/bfnrt", kBytes = "\"\\/\b\f\n\r\t";
  if (const std::size_t simple = kNames.find(source[1]); simple != std::string_view::npos) {
    put(out, static_cast<unsigned char>(kBytes[simple]));
    out.source_size = 2;
    return out;
  }
  unsigned unit = 0;
  if (!read_unit(source, 0, unit, out.is_partial)) return out;
  out.source_size = 6;
  if (unit >= 0xD800 && unit < 0xDC00) {
    unsigned low = 0;
    if (read_unit(source, 6, low, out.is_partial) && low >= 0xDC00 && low < 0xE000) {
      out.source_size = 12;
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    if (out.is_partial) return out;
  }
  put_code_point(out, unit >= 0xD800 && unit < 0xE000 ? 0xFFFD : unit);
  return out;
}

}  // namespace

void JsonSource::feed(std::string_view piece, std::string& text) {
  if (!differs()) {
    if (piece.find('\\') == std::string_view::npos) {
      text.append(piece);
      return;
    }
    source_ = text;
    read_ = source_.size();
  }
  source_.append(piece);
  while (read_ < source_.size()) {
    const std::size_t stop = std::min(source_.find('\\', read_), source_.size());
    text.append(source_, read_, stop - read_);
    read_ = stop;
    if (read_ == source_.size()) return;
    const Resolved escape = resolve(std::string_view(source_).substr(read_));
    if (escape.is_partial) return;
    if (escape.source_size == 0) {
      text += source_[read_++];
      continue;
    }
    escapes_.push_back({text.size(), read_, escape.text_size, escape.source_size});
    text.append(escape.bytes.data(), escape.text_size);
    read_ += escape.source_size;
  }
}

void JsonSource::finish(std::string& text) {
  if (!differs()) return;
  text.append(source_, read_, source_.size() - read_);
  read_ = source_.size();
}

void JsonSource::drop(std::size_t cut) {
  if (!differs()) return;
  const std::size_t source_cut = begin_of(cut);
  std::erase_if(escapes_, [cut](const Escape& e) { return e.text < cut; });
  if (escapes_.empty() && read_ == source_.size()) {
    clear();
    return;
  }
  for (Escape& escape : escapes_) {
    escape.text -= cut;
    escape.source -= source_cut;
  }
  source_.erase(0, source_cut);
  read_ -= source_cut;
}

void JsonSource::clear() noexcept {
  source_.clear();
  escapes_.clear();
  read_ = 0;
}

void JsonSource::shrink_to_fit() {
  source_.shrink_to_fit();
  escapes_.shrink_to_fit();
}

/// The last one that begins before `at`; null when none does.
const JsonSource::Escape* JsonSource::last_before(std::size_t at) const noexcept {
  const auto next = std::partition_point(escapes_.begin(), escapes_.end(),
                                         [at](const Escape& e) { return e.text < at; });
  return next == escapes_.begin() ? nullptr : &*std::prev(next);
}

std::size_t JsonSource::begin_of(std::size_t at) const noexcept {
  const Escape* const escape = last_before(at);
  if (escape == nullptr) return at;
  const std::size_t end = escape->text + escape->text_size;
  return at < end ? escape->source : escape->source + escape->source_size + (at - end);
}

std::size_t JsonSource::end_of(std::size_t at) const noexcept {
  const Escape* const escape = last_before(at);
  if (escape == nullptr) return at;
  const std::size_t end = escape->text + escape->text_size;
  return escape->source + escape->source_size + (at < end ? 0 : at - end);
}

}  // namespace tollgate::domain::policy
