#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tollgate::json {

/// Appends `text` with what JSON requires escaped, without quotes. Always valid: bytes that are not
/// UTF-8 become U+FFFD, so pass whole code points.
void escape_into(std::string& out, std::string_view text);
/// Appends `text` as a JSON string.
void quote_into(std::string& out, std::string_view text);
[[nodiscard]] std::string quote(std::string_view text);

/// Writes JSON by appending to a string; puts the commas, checks nothing else.
///
///   Writer w(out);
///   w.begin_object().member("id", id).key("data").begin_array().end_array().end_object();
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);
  Writer& string(std::string_view text);
  Writer& integer(std::int64_t value);
  Writer& boolean(bool value);
  Writer& null();
  /// A value that is JSON already.
  Writer& raw(std::string_view json);

  Writer& member(std::string_view name, std::string_view text) { return key(name).string(text); }
  Writer& member(std::string_view name, const char* text) { return key(name).string(text); }
  Writer& member(std::string_view name, std::int64_t value) { return key(name).integer(value); }

 private:
  Writer& open(char c);
  Writer& close(char c);
  void comma();

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace tollgate::json
