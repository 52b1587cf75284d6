#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tollgate::protocol::http {

/// Writes heads from typed parts into a reusable buffer; no byte of a received head is copied as it
/// is. A name that is not a token or a value with a control character is left out and reported:
/// a line can never be broken in two.
class HeadWriter {
 public:
  HeadWriter() { buffer_.reserve(1024); }

  /// `POST /v1/x HTTP/1.1`. `target` must come from Target or the configuration: a target with a
  /// space or control character writes nothing and returns false.
  [[nodiscard]] bool request_line(std::string_view method, std::string_view target);
  /// `HTTP/1.1 200 OK`; the reason from reason_phrase.
  void status_line(int status);
  /// False, and nothing written, when the pair cannot be one field line.
  bool field(std::string_view name, std::string_view value);
  void field(std::string_view name, std::uint64_t value);
  /// Lines made by this class or by forwarding.hpp ("name: value\r\n"...), not checked again.
  void raw_lines(std::string_view lines) { buffer_ += lines; }
  /// The empty line.
  void end() { buffer_ += "\r\n"; }

  [[nodiscard]] std::string_view view() const noexcept { return buffer_; }
  [[nodiscard]] std::string& buffer() noexcept { return buffer_; }
  void clear() noexcept { buffer_.clear(); }

 private:
  std::string buffer_;
};

/// Appends "name: value\r\n"; false, and nothing appended, when the pair cannot be one field line.
bool append_field(std::string& out, std::string_view name, std::string_view value);
void append_field(std::string& out, std::string_view name, std::uint64_t value);

/// Appends the decimal digits.
void append_number(std::string& out, std::uint64_t value);
/// Appends "HTTP/1.1 200 OK\r\n".
void append_status_line(std::string& out, int status);

/// RFC 9110 phrase of a status; empty for one that has none.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace tollgate::protocol::http
