#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tollgate/protocol/http/header_section.hpp"

namespace tollgate::protocol::http {

/// A field name that stands in the source: the compiler checks it, so that no call has to.
class FieldName {
 public:
  template <std::size_t N>
  consteval explicit FieldName(const char (&text)[N]) : text_(text, N - 1) {
    for (const char c : text_) {
      const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
      if (!fits) throw "not a field name";  // not a constant expression: does not compile
    }
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

/// Appends header lines to a string whose room is made once for all of them: string::append asks
/// for room four times a line, which costs more than the bytes.
///
/// Lifetime: of the step that writes them; the string holds what was written when it ends, and is
/// not to be touched before. Threads: one.
class LineAppender {
 public:
  /// @param expected  bytes that will come; more is allowed and grows the string
  LineAppender(std::string& out, std::size_t expected);
  ~LineAppender() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }
  LineAppender(const LineAppender&) = delete;
  LineAppender& operator=(const LineAppender&) = delete;

  /// "name: value\r\n"; false, and nothing written, when the pair cannot be one field line.
  bool field(std::string_view name, std::string_view value);
  bool field(FieldName name, std::string_view value);
  void field(FieldName name, std::uint64_t value);
  /// The same of a field that was read, whose name is compared with that of its number.
  bool field(const HeaderField& field);

  /// Bytes of a line in excess of its name and value.
  static constexpr std::size_t kLineExtra = 4;

 private:
  void make_room(std::size_t bytes);
  void line(std::string_view name, std::string_view value);

  std::string& out_;
  char* at_;
  char* end_;  ///< of the string as it is meanwhile
};

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
