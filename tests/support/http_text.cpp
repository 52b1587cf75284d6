#include "support/http_text.hpp"

#include <strings.h>

#include <charconv>

namespace tollgate::testing {

std::string chunk(std::string_view payload) {
  char size[20];
  const auto end = std::to_chars(size, size + sizeof size, payload.size(), 16).ptr;
  std::string out(size, end);
  out.append("\r\n").append(payload).append("\r\n");
  return out;
}

std::string header_value(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() && strncasecmp(key.data(), name.data(), name.size()) == 0) {
      return value;
    }
  }
  return {};
}

Headers parse_headers(std::string_view head) {
  Headers out;
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos) {
    at += 2;
    const std::size_t end = head.find("\r\n", at);
    if (end == std::string_view::npos || end == at) break;
    const std::string_view line = head.substr(at, end - at);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      const std::size_t value = line.find_first_not_of(" \t", colon + 1);
      out.emplace_back(line.substr(0, colon),
                       value == std::string_view::npos ? "" : line.substr(value));
    }
    at = end;
  }
  return out;
}

ChunkStep take_chunk(std::string& buffer, std::string& body) {
  const std::size_t line_end = buffer.find("\r\n");
  if (line_end == std::string::npos) return ChunkStep::need_more;
  std::size_t size = 0;
  const auto parsed = std::from_chars(buffer.data(), buffer.data() + line_end, size, 16);
  if (parsed.ec != std::errc() || (*parsed.ptr != '\r' && *parsed.ptr != ';')) {
    return ChunkStep::broken;
  }
  if (buffer.size() < line_end + 2 + size + 2) return ChunkStep::need_more;
  if (buffer.compare(line_end + 2 + size, 2, "\r\n") != 0) return ChunkStep::broken;
  body.append(buffer, line_end + 2, size);
  buffer.erase(0, line_end + 2 + size + 2);
  return size == 0 ? ChunkStep::done : ChunkStep::data;
}

bool read_request(std::string& buffer, const ReadMore& more, SeenRequest& into) {
  std::size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) return false;
  }
  into.at = std::chrono::steady_clock::now();
  into.raw_head = buffer.substr(0, end + 4);
  buffer.erase(0, end + 4);
  const std::size_t space = into.raw_head.find(' ');
  const std::size_t second = into.raw_head.find(' ', space + 1);
  if (space == std::string::npos || second == std::string::npos) return false;
  into.method = into.raw_head.substr(0, space);
  into.target = into.raw_head.substr(space + 1, second - space - 1);
  into.headers = parse_headers(into.raw_head);

  if (header_value(into.headers, "transfer-encoding") == "chunked") {
    for (;;) {
      const ChunkStep step = take_chunk(buffer, into.body);
      if (step == ChunkStep::done) return true;
      if (step == ChunkStep::broken) return false;
      if (step == ChunkStep::need_more && !more()) return false;
    }
  }
  const std::string length = header_value(into.headers, "content-length");
  std::size_t bytes = 0;
  std::from_chars(length.data(), length.data() + length.size(), bytes);
  while (buffer.size() < bytes) {
    if (!more()) return false;
  }
  into.body = buffer.substr(0, bytes);
  buffer.erase(0, bytes);
  return true;
}

}  // namespace tollgate::testing
