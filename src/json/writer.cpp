#include "tollgate/json/writer.hpp"

#include <array>
#include <charconv>

#include "json/strings.hpp"

namespace tollgate::json {
namespace {

constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// Bytes that cannot be copied without a look: controls, quote, backslash, and all of UTF-8 beyond
/// ASCII.
constexpr std::array<bool, 256> kNeedsLook = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) table[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
  return table;
}();

void append_escape(std::string& out, char c) {
  out.push_back('\\');
  switch (c) {
    case '"':
    case '\\':
      out.push_back(c);
      return;
    case '\b':
      out.push_back('b');
      return;
    case '\f':
      out.push_back('f');
      return;
    case '\n':
      out.push_back('n');
      return;
    case '\r':
      out.push_back('r');
      return;
    case '\t':
      out.push_back('t');
      return;
    default:
      break;
  }
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  out += "u00";
  out.push_back(kHexDigits[static_cast<unsigned char>(c) >> 4]);
  out.push_back(kHexDigits[static_cast<unsigned char>(c) & 15]);
}

}  // namespace

void escape_into(std::string& out, std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  const char* copied = p;
  while (p < end) {
    const auto c = static_cast<unsigned char>(*p);
    if (!kNeedsLook[c]) {
      ++p;
      continue;
    }
    if (c >= 0x80) {
      if (const std::size_t length = utf8_length(p, end); length != 0) {
        p += length;
        continue;
      }
      out.append(copied, p);
      out += kReplacementCharacter;
    } else {
      out.append(copied, p);
      append_escape(out, *p);
    }
    copied = ++p;
  }
  out.append(copied, end);
}

void quote_into(std::string& out, std::string_view text) {
  out.push_back('"');
  escape_into(out, text);
  out.push_back('"');
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  quote_into(out, text);
  return out;
}

void Writer::comma() {
  if (needs_comma_) out_.push_back(',');
  needs_comma_ = true;
}

Writer& Writer::open(char c) {
  comma();
  out_.push_back(c);
  needs_comma_ = false;
  return *this;
}

Writer& Writer::close(char c) {
  out_.push_back(c);
  needs_comma_ = true;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  comma();
  quote_into(out_, name);
  out_.push_back(':');
  needs_comma_ = false;
  return *this;
}

Writer& Writer::string(std::string_view text) {
  comma();
  quote_into(out_, text);
  return *this;
}

Writer& Writer::integer(std::int64_t value) {
  comma();
  std::array<char, 24> digits;
  const auto [end, failure] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  static_cast<void>(failure);  // 24 bytes hold every int64
  out_.append(digits.data(), end);
  return *this;
}

Writer& Writer::boolean(bool value) {
  comma();
  out_ += value ? "true" : "false";
  return *this;
}

Writer& Writer::null() {
  comma();
  out_ += "null";
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  comma();
  out_ += json;
  return *this;
}

}  // namespace tollgate::json
