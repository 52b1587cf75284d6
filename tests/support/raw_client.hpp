#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/fake_upstream.hpp"
#include "support/transport.hpp"

namespace tollgate::testing {

/// One answer as the agent saw it.
struct Response {
  int status = 0;  ///< 0: no answer; `failure` says why
  Headers headers;
  std::string body;
  std::string raw_head;
  /// The body ended as its framing says: whole length, last chunk, or a close that framing allows.
  bool complete = false;
  std::string failure;

  [[nodiscard]] std::string header(std::string_view name) const {
    return header_value(headers, name);
  }
};

/// One server-sent event and when it was complete.
struct SseEvent {
  std::string event;
  std::string data;
  std::string raw;  ///< its bytes, blank line included
  SteadyTime at;
};

/// A blocking HTTP/1.1 client that sends exactly the bytes it is given and reads answers in pieces.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  /// TLS to 127.0.0.1 with this host name.
  RawClient(std::uint16_t port, SSL_CTX* tls, const std::string& host = "localhost");

  [[nodiscard]] bool connected() const noexcept { return transport_.valid() && !failed_; }
  [[nodiscard]] const std::string& error() const noexcept { return transport_.error(); }
  [[nodiscard]] Transport& transport() noexcept { return transport_; }

  bool send(std::string_view bytes) { return transport_.write_all(bytes); }
  /// Reads one head (1xx heads are skipped and counted). The body is read with read_body() or
  /// next_event().
  Response read_head(milliseconds limit = milliseconds(10'000));
  /// Reads the rest of the body of `response`.
  void read_body(Response& response, milliseconds limit = milliseconds(10'000));
  /// Head and body.
  Response read_response(milliseconds limit = milliseconds(10'000));
  /// send() + read_response().
  Response exchange(std::string_view bytes, milliseconds limit = milliseconds(10'000));

  /// The next event of an SSE answer whose head was read; empty at the end of the body or after
  /// `limit` without one. `body_complete()` tells how it ended.
  std::optional<SseEvent> next_event(milliseconds limit = milliseconds(10'000));
  std::vector<SseEvent> all_events(milliseconds limit = milliseconds(10'000));
  [[nodiscard]] bool body_complete() const noexcept { return body_complete_; }
  [[nodiscard]] int interim_count() const noexcept { return interim_count_; }

  /// True when the server closes within `limit` (bytes still sent are dropped).
  bool wait_closed(milliseconds limit = milliseconds(5'000));

 private:
  enum class Framing : std::uint8_t { none, length, chunked, until_close };
  /// Moves payload from the wire into `body_`; false at the end or after `limit`.
  bool pull_body(milliseconds limit);

  Transport transport_;
  bool failed_ = false;
  std::string wire_;
  std::string body_;
  Framing framing_ = Framing::none;
  std::size_t length_left_ = 0;
  bool body_complete_ = false;
  bool body_ended_ = false;
  int interim_count_ = 0;
};

/// The bytes of a request with Host, Content-Length (when there is a body or the method is POST)
/// and `headers`.
[[nodiscard]] std::string http_request(std::string_view method, std::string_view target,
                                       const Headers& headers, std::string_view body = "");

}  // namespace tollgate::testing
