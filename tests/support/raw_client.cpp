#include "support/raw_client.hpp"

#include <charconv>

#include "support/http_text.hpp"

namespace tollgate::testing {

std::string http_request(std::string_view method, std::string_view target, const Headers& headers,
                         std::string_view body) {
  std::string out;
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  if (header_value(headers, "host").empty()) out += "host: localhost\r\n";
  for (const auto& [name, value] : headers) out += name + ": " + value + "\r\n";
  if (!body.empty() || method == "POST") {
    out += "content-length: " + std::to_string(body.size()) + "\r\n";
  }
  out.append("\r\n").append(body);
  return out;
}

RawClient::RawClient(std::uint16_t port) : transport_(Transport::connect(port)) {}

RawClient::RawClient(std::uint16_t port, SSL_CTX* tls, const std::string& host)
    : transport_(Transport::connect(port)) {
  failed_ = !transport_.valid() || !transport_.connect_tls(tls, host);
}

Response RawClient::read_head(milliseconds limit) {
  Response out;
  for (;;) {
    const std::size_t end = wire_.find("\r\n\r\n");
    if (end == std::string::npos) {
      const ReadEnd read = transport_.read_some(wire_, limit);
      if (read == ReadEnd::data) continue;
      out.failure = read == ReadEnd::timeout ? "timeout" : read == ReadEnd::eof ? "eof" : "reset";
      return out;
    }
    out.raw_head = wire_.substr(0, end + 4);
    wire_.erase(0, end + 4);
    const std::size_t space = out.raw_head.find(' ');
    if (space == std::string::npos) {
      out.failure = "not HTTP: " + out.raw_head;
      return out;
    }
    std::from_chars(out.raw_head.data() + space + 1, out.raw_head.data() + out.raw_head.size(),
                    out.status);
    if (out.status >= 200) break;
    ++interim_count_;
  }
  out.headers = parse_headers(out.raw_head);
  body_.clear();
  body_complete_ = body_ended_ = false;
  length_left_ = 0;
  const std::string length = out.header("content-length");
  if (out.header("transfer-encoding") == "chunked") {
    framing_ = Framing::chunked;
  } else if (!length.empty()) {
    framing_ = Framing::length;
    std::from_chars(length.data(), length.data() + length.size(), length_left_);
  } else if (out.status == 204 || out.status == 304) {
    framing_ = Framing::none;
  } else {
    framing_ = Framing::until_close;
  }
  if (framing_ == Framing::none || (framing_ == Framing::length && length_left_ == 0)) {
    body_complete_ = body_ended_ = true;
  }
  return out;
}

bool RawClient::pull_body(milliseconds limit) {
  while (!body_ended_) {
    if (framing_ == Framing::chunked) {
      const ChunkStep step = take_chunk(wire_, body_);
      if (step == ChunkStep::data) return true;
      if (step != ChunkStep::need_more) {
        body_ended_ = true;
        body_complete_ = step == ChunkStep::done;
        return false;
      }
    } else if (!wire_.empty()) {
      const std::size_t take =
          framing_ == Framing::length ? std::min(length_left_, wire_.size()) : wire_.size();
      body_.append(wire_, 0, take);
      wire_.erase(0, take);
      if (framing_ == Framing::length && (length_left_ -= take) == 0) {
        body_ended_ = body_complete_ = true;
      }
      return true;
    }
    const ReadEnd read = transport_.read_some(wire_, limit);
    if (read == ReadEnd::timeout) return false;
    if (read != ReadEnd::data) {
      body_ended_ = true;
      body_complete_ = read == ReadEnd::eof && framing_ == Framing::until_close;
      return false;
    }
  }
  return false;
}

void RawClient::read_body(Response& response, milliseconds limit) {
  while (pull_body(limit)) {
  }
  response.body += body_;
  body_.clear();
  response.complete = body_complete_;
  if (!body_ended_) response.failure = "timeout in body";
}

Response RawClient::read_response(milliseconds limit) {
  Response out = read_head(limit);
  if (out.status != 0) read_body(out, limit);
  return out;
}

Response RawClient::exchange(std::string_view bytes, milliseconds limit) {
  Response out;
  if (!connected()) {
    out.failure = "not connected: " + error();
    return out;
  }
  // A server may refuse and close before it has read everything: its answer still counts.
  (void)send(bytes);
  return read_response(limit);
}

std::optional<SseEvent> RawClient::next_event(milliseconds limit) {
  for (;;) {
    const std::size_t end = body_.find("\n\n");
    if (end != std::string::npos) {
      SseEvent out;
      out.at = std::chrono::steady_clock::now();
      out.raw = body_.substr(0, end + 2);
      body_.erase(0, end + 2);
      std::size_t at = 0;
      while (at < out.raw.size()) {
        const std::size_t line_end = out.raw.find('\n', at);
        const std::string line = out.raw.substr(at, line_end - at);
        at = line_end + 1;
        const auto value = [&](std::size_t skip) {
          return line.substr(line.size() > skip && line[skip] == ' ' ? skip + 1 : skip);
        };
        if (line.rfind("event:", 0) == 0) out.event = value(6);
        if (line.rfind("data:", 0) == 0) out.data += (out.data.empty() ? "" : "\n") + value(5);
      }
      return out;
    }
    if (!pull_body(limit)) return std::nullopt;
  }
}

std::vector<SseEvent> RawClient::all_events(milliseconds limit) {
  std::vector<SseEvent> out;
  while (std::optional<SseEvent> event = next_event(limit)) out.push_back(std::move(*event));
  return out;
}

bool RawClient::wait_closed(milliseconds limit) {
  const SteadyTime until = std::chrono::steady_clock::now() + limit;
  std::string dropped;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    const ReadEnd read = transport_.read_some(dropped, left);
    if (read == ReadEnd::eof || read == ReadEnd::reset) return true;
  }
}

}  // namespace tollgate::testing
