#include "tollgate/protocol/http/head_writer.hpp"

#include <algorithm>

#include "protocol/http/char_class.hpp"
#include "protocol/http/header_table.hpp"

namespace tollgate::protocol::http {
namespace {

/// The decimal digits of a number. Most have four or less: a loop without tables.
class Digits {
 public:
  explicit Digits(std::uint64_t value) noexcept {
    do {
      *--begin_ = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
  }
  [[nodiscard]] std::string_view view() const noexcept {
    return {begin_, static_cast<std::size_t>(text_ + sizeof text_ - begin_)};
  }

 private:
  char text_[20];
  char* begin_ = text_ + sizeof text_;
};

char* copy(char* to, std::string_view text) {
  return to + text.copy(to, text.size());
}

}  // namespace

LineAppender::LineAppender(std::string& out, std::size_t expected) : out_(out) {
  const std::size_t used = out.size();
  out.resize(used + expected);
  at_ = out.data() + used;
  end_ = at_ + expected;
}

void LineAppender::make_room(std::size_t bytes) {
  if (static_cast<std::size_t>(end_ - at_) >= bytes) return;
  const auto used = static_cast<std::size_t>(at_ - out_.data());
  out_.resize(std::max(used + bytes, 2 * out_.size()));
  at_ = out_.data() + used;
  end_ = out_.data() + out_.size();
}

void LineAppender::line(std::string_view name, std::string_view value) {
  make_room(name.size() + value.size() + kLineExtra);
  char* at = copy(at_, name);
  *at++ = ':';
  *at++ = ' ';
  at = copy(at, value);
  *at++ = '\r';
  *at++ = '\n';
  at_ = at;
}

bool LineAppender::field(std::string_view name, std::string_view value) {
  if (detail::find_header_id(name) == HeaderId::other && !is_token(name)) return false;
  if (!detail::is_value_text(value)) return false;
  line(name, value);
  return true;
}

bool LineAppender::field(FieldName name, std::string_view value) {
  if (!detail::is_value_text(value)) return false;
  line(name.text(), value);
  return true;
}

bool LineAppender::field(const HeaderField& field) {
  // Checked again although the parser has seen it: these lines reach a socket, and a head built by
  // hand must not get round the rule.
  if (!detail::is_name_of(field.id, field.name)) return false;
  if (!detail::is_value_text(field.value)) return false;
  line(field.name, field.value);
  return true;
}

void LineAppender::field(FieldName name, std::uint64_t value) {
  line(name.text(), Digits(value).view());
}

void append_number(std::string& out, std::uint64_t value) {
  out += Digits(value).view();
}

void append_status_line(std::string& out, int status) {
  if (status == 200) {  // nearly all of them
    out += "HTTP/1.1 200 OK\r\n";
    return;
  }
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(status < 100 || status > 999 ? 500 : status));
  out += ' ';
  out += reason_phrase(status);
  out += "\r\n";
}

bool HeadWriter::request_line(std::string_view method, std::string_view target) {
  if (!is_token(method) || target.empty() || !detail::all_of_class(target, detail::kTargetChar))
    return false;
  buffer_ += method;
  buffer_ += ' ';
  buffer_ += target;
  buffer_ += " HTTP/1.1\r\n";
  return true;
}

void HeadWriter::status_line(int status) {
  append_status_line(buffer_, status);
}

bool HeadWriter::field(std::string_view name, std::string_view value) {
  return append_field(buffer_, name, value);
}

void HeadWriter::field(std::string_view name, std::uint64_t value) {
  append_field(buffer_, name, value);
}

bool append_field(std::string& out, std::string_view name, std::string_view value) {
  return LineAppender(out, name.size() + value.size() + LineAppender::kLineExtra)
      .field(name, value);
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  constexpr std::size_t kLongest = 64;
  char line[kLongest + LineAppender::kLineExtra + 20];
  const Digits digits(value);
  if (name.size() > kLongest) {
    append_field(out, name, digits.view());
    return;
  }
  if (detail::find_header_id(name) == HeaderId::other && !is_token(name)) return;
  char* at = copy(line, name);
  at = copy(at, ": ");
  at = copy(at, digits.view());
  at = copy(at, "\r\n");
  out.append(line, at);
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 425:
      return "Too Early";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 529:
      return "Overloaded";
    default:
      return {};
  }
}

}  // namespace tollgate::protocol::http
