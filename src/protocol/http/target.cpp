#include "tollgate/protocol/http/target.hpp"

#include <algorithm>

#include "protocol/http/char_class.hpp"
#include "tollgate/protocol/http/line_reader.hpp"

namespace tollgate::protocol::http {
namespace {

/// Strict UTF-8 (RFC 3629): an overlong form of '/' must not pass for another character.
bool is_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  const auto tail = [&](int n) {
    for (int i = 1; i <= n; ++i)
      if (at + i >= end || (at[i] & 0xc0) != 0x80) return false;
    return true;
  };
  while (at != end) {
    const unsigned c = *at;
    int more = 0;
    if (c < 0x80) {
      more = 0;
    } else if (c >= 0xc2 && c <= 0xdf) {
      more = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
      more = 2;
    } else if (c >= 0xf0 && c <= 0xf4) {
      more = 3;
    } else {
      return false;
    }
    if (!tail(more)) return false;
    if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) || (c == 0xf0 && at[1] < 0x90) ||
        (c == 0xf4 && at[1] > 0x8f))
      return false;
    at += more + 1;
  }
  return true;
}

/// The byte an escape at `at` stands for, or -1.
int escaped_byte(std::string_view text, std::size_t at) noexcept {
  if (at + 2 >= text.size() || !detail::has_class(text[at + 1], detail::kHex) ||
      !detail::has_class(text[at + 2], detail::kHex))
    return -1;
  return static_cast<int>(detail::hex_digit(text[at + 1]) << 4 | detail::hex_digit(text[at + 2]));
}

/// No empty segment (but after a final '/'), no "." or "..", not even before ";parameters".
const char* check_segments(std::string_view path) noexcept {
  std::size_t start = 1;
  for (;;) {
    const std::size_t slash = path.find('/', start);
    const bool last = slash == std::string_view::npos;
    const std::string_view segment = path.substr(start, last ? slash : slash - start);
    if (segment.empty() && !last) return "an empty path segment";
    const std::string_view name = segment.substr(0, segment.find(';'));
    if (name == "." || name == "..") return "a dot segment in the path";
    if (last) return nullptr;
    start = slash + 1;
  }
}

const char* decode_path(std::string_view raw, std::string& out) {
  out.clear();
  bool ascii = true;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      out.push_back(raw[i]);
      continue;
    }
    const int byte = escaped_byte(raw, i);
    if (byte < 0) return "a malformed escape in the path";
    if (byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\' || byte == '?' || byte == '#' ||
        byte == '%')
      return "an escaped delimiter or control character in the path";
    ascii = ascii && byte < 0x80;
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return ascii || is_utf8(out) ? nullptr : "the path is not UTF-8";
}

const char* check_query(std::string_view query) noexcept {
  for (std::size_t i = query.find('%'); i != std::string_view::npos; i = query.find('%', i + 3)) {
    const int byte = escaped_byte(query, i);
    if (byte < 0) return "a malformed escape in the query";
    if (byte == 0) return "an escaped NUL in the query";
  }
  return nullptr;
}

/// Compares a raw parameter name with a plain one, decoding as it goes.
bool same_param_name(std::string_view raw, std::string_view name) noexcept {
  std::size_t j = 0;
  for (std::size_t i = 0; i < raw.size(); ++i, ++j) {
    if (j == name.size()) return false;
    int byte = static_cast<unsigned char>(raw[i]);
    if (raw[i] == '%') {
      byte = escaped_byte(raw, i);
      if (byte < 0) return false;
      i += 2;
    } else if (raw[i] == '+') {
      byte = ' ';
    }
    if (byte != static_cast<unsigned char>(name[j])) return false;
  }
  return j == name.size();
}

/// Calls `visit(name, value, piece, separator_before)` for each piece between separators until it
/// returns false.
template <class Visit>
void for_each_param(std::string_view query, std::string_view separators, Visit&& visit) {
  std::size_t start = 0;
  while (start <= query.size()) {
    const std::size_t end = std::min(query.find_first_of(separators, start), query.size());
    const std::string_view piece = query.substr(start, end - start);
    const std::size_t equals = piece.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view{} : piece.substr(equals + 1);
    if (!visit(piece.substr(0, equals), value, piece, start == 0 ? '\0' : query[start - 1])) return;
    start = end + 1;
  }
}

}  // namespace

namespace {

/// Whether `text`, which begins with '/', is a path without anything to look at twice: no query, no
/// escape, no empty segment, none that begins with a dot. Every path a model call has is of that
/// kind; others are checked rule by rule.
bool is_plain_path(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (detail::has_class(c, detail::kPlainPath) || c == '.') continue;
    if (c != '/') return false;
    if (i + 1 < text.size() && (text[i + 1] == '/' || text[i + 1] == '.')) return false;
  }
  return true;
}

}  // namespace

base::Result<void> Target::parse(std::string_view path_and_query) {
  decoded_ = false;
  if (path_and_query.starts_with('/') && is_plain_path(path_and_query)) {
    has_query_ = false;
    raw_path_ = path_and_query;
    raw_query_ = {};
    return {};
  }
  const std::size_t question = path_and_query.find('?');
  has_query_ = question != std::string_view::npos;
  raw_path_ = path_and_query.substr(0, question);
  raw_query_ = has_query_ ? path_and_query.substr(question + 1) : std::string_view{};
  const auto refuse = [](const char* why) {
    return to_error({base::ErrorCode::bad_http, why}, Peer::client);
  };
  if (path_and_query == "*") return {};
  if (raw_path_.empty() || raw_path_.front() != '/') return refuse("a request target is a path");
  if (!detail::all_of_class(raw_path_, detail::kPathChar))
    return refuse("a character not allowed in a path");
  if (raw_path_.find('%') != std::string_view::npos) {
    if (const char* why = decode_path(raw_path_, storage_)) return refuse(why);
    decoded_ = true;
  }
  if (const char* why = check_segments(path())) return refuse(why);
  if (const char* why = check_query(raw_query_)) return refuse(why);
  return {};
}

std::optional<std::string_view> Target::query_param(std::string_view name) const noexcept {
  std::optional<std::string_view> found;
  if (!has_query_) return found;
  for_each_param(raw_query_, "&", [&](auto raw_name, auto value, auto, char) {
    if (!same_param_name(raw_name, name)) return true;
    found = value;
    return false;
  });
  return found;
}

std::size_t Target::count_query_param(std::string_view name) const noexcept {
  std::size_t count = 0;
  if (!has_query_) return count;
  for_each_param(raw_query_, "&", [&](auto raw_name, auto, auto, char) {
    if (same_param_name(raw_name, name)) ++count;
    return true;
  });
  return count;
}

void Target::append_query_without(std::string_view name, std::string& out) const {
  if (!has_query_) return;
  bool first = true;
  // Some servers still split at ';': a credential behind one must not get through.
  for_each_param(raw_query_, "&;", [&](auto raw_name, auto, auto piece, char separator) {
    if (same_param_name(raw_name, name)) return true;
    if (first) {
      if (piece.empty()) return true;
      out += '?';
    } else {
      out += separator;
    }
    first = false;
    out += piece;
    return true;
  });
}

void Target::append_query(std::string& out) const {
  if (!has_query_) return;
  out += '?';
  out += raw_query_;
}

bool decode_query_value(std::string_view raw, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '+') {
      out += ' ';
    } else if (raw[i] != '%') {
      out += raw[i];
    } else {
      const int byte = escaped_byte(raw, i);
      if (byte < 0) return false;
      out += static_cast<char>(byte);
      i += 2;
    }
  }
  return true;
}

}  // namespace tollgate::protocol::http
