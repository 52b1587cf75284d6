#include "tollgate/protocol/http/head_writer.hpp"

#include <charconv>

#include "protocol/http/char_class.hpp"
#include "tollgate/protocol/http/header_section.hpp"

namespace tollgate::protocol::http {

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_status_line(std::string& out, int status) {
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
  if (!is_token(name) || !detail::is_value_text(value)) return false;
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
  return true;
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  if (!is_token(name)) return;
  out += name;
  out += ": ";
  append_number(out, value);
  out += "\r\n";
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
