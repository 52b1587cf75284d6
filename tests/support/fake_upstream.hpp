#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/transport.hpp"

namespace tollgate::testing {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// The first value of a header, compared without case; empty when absent.
[[nodiscard]] std::string header_value(const Headers& headers, std::string_view name);

/// One request as the upstream saw it.
struct SeenRequest {
  std::string method;
  std::string target;
  Headers headers;
  std::string body;
  std::string raw_head;        ///< the bytes up to and including the blank line
  SteadyTime at;               ///< when the head was complete
  std::size_t connection = 0;  ///< counts from 0
  std::string sni;
  std::string client_subject;  ///< common name of the client certificate, if any
  /// Set when the peer closed or reset before the answer was written to its end.
  std::optional<SteadyTime> peer_left_at;

  [[nodiscard]] std::string header(std::string_view name) const {
    return header_value(headers, name);
  }
};

/// What the upstream does with one request: a head, pieces of body with pauses, and an end.
///
/// Made by a factory, refined by the chained setters; a plain value, so that a script is a list.
class Answer {
 public:
  enum class Framing : std::uint8_t { length, chunked, until_close, verbatim };
  enum class End : std::uint8_t {
    keep,
    close,
    truncate,  ///< close; over TLS without close_notify
    reset,
    silent,
  };

  static Answer json(int status, std::string body);
  /// `events` are written verbatim, each as one chunk and one write; see sse_data().
  static Answer sse(std::vector<std::string> events, milliseconds gap = milliseconds(0));
  /// A 200 with this body and Content-Length.
  static Answer text(std::string body, std::string content_type = "text/plain");
  /// Exactly these bytes, head included; the connection stays open unless told otherwise.
  static Answer raw(std::string bytes);
  /// Takes the request and says nothing until the peer leaves.
  static Answer silence();
  /// Takes the request and resets the connection, or closes it, before the first byte.
  static Answer reset_before_first_byte();
  static Answer close_before_first_byte();

  Answer& header(std::string name, std::string value);
  /// Delay before the first byte.
  Answer& after(milliseconds delay);
  /// Re-cuts the body in pieces of `bytes`, each its own write, `gap` apart.
  Answer& drip(std::size_t bytes, milliseconds gap);
  /// Ends the answer after this many bytes of body payload.
  Answer& cut_at(std::size_t body_bytes, End how);
  Answer& framing(Framing value);
  Answer& end(End value);

 private:
  friend class FakeUpstream;
  int status_ = 200;
  Headers headers_;
  Framing framing_ = Framing::length;
  End end_ = End::keep;
  std::vector<std::string> pieces_;
  milliseconds delay_{0};
  milliseconds gap_{0};
  std::optional<std::size_t> cut_at_;
};

/// `data: <json>\n\n`, with `event: <name>\n` before it when `name` is not empty.
[[nodiscard]] std::string sse_data(std::string_view json, std::string_view name = "");

/// A scriptable, hostile HTTP/1.1 server on 127.0.0.1, in the test's process.
///
/// Place:     the provider, MCP server or A2A agent of every integration test.
/// Threads:   own ones, one per connection; all members may be called from any thread.
/// Lifetime:  listens from construction to destruction; the destructor ends every connection.
class FakeUpstream {
 public:
  using Handler = std::function<Answer(const SeenRequest&)>;

  FakeUpstream() : FakeUpstream(SslCtxPtr()) {}
  explicit FakeUpstream(SslCtxPtr tls);
  FakeUpstream(const FakeUpstream&) = delete;
  FakeUpstream& operator=(const FakeUpstream&) = delete;
  ~FakeUpstream();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// `http://127.0.0.1:port` or `https://localhost:port`.
  [[nodiscard]] std::string url() const;

  /// Answers `method path` (no query) with these in turn; the last one repeats.
  void on(const std::string& method, const std::string& path, std::vector<Answer> answers);
  void on(const std::string& method, const std::string& path, Handler handler);
  /// Answers what no route matches; without it that is 404.
  void fallback(Handler handler);

  [[nodiscard]] std::vector<SeenRequest> requests() const;
  [[nodiscard]] std::size_t request_count() const;
  [[nodiscard]] std::size_t connection_count() const;
  [[nodiscard]] std::size_t failed_handshakes() const;
  /// False when fewer than `count` requests came within `limit`.
  bool wait_for_requests(std::size_t count, milliseconds limit = milliseconds(5000)) const;
  /// When the peer left request `index` before its answer was complete; empty after `limit`.
  std::optional<SteadyTime> wait_for_peer_left(std::size_t index,
                                               milliseconds limit = milliseconds(5000)) const;
  /// Closes every idle and busy connection but goes on listening.
  void drop_connections();

 private:
  struct Route {
    std::vector<Answer> answers;
    std::size_t next = 0;
    Handler handler;
  };
  struct Connection {
    std::thread thread;
    int fd = -1;
    bool done = false;
  };

  void accept_loop();
  void serve(std::size_t index, Fd fd);
  /// False: the connection is over.
  bool serve_one(std::size_t index, Transport& transport, std::string& buffer);
  Answer choose(const SeenRequest& request);
  bool play(const Answer& answer, Transport& transport, std::size_t request);
  bool pause(Transport& transport, milliseconds how_long, std::size_t request);
  void peer_left(std::size_t request);

  SslCtxPtr tls_;
  std::uint16_t port_ = 0;
  Fd listener_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, Route> routes_;
  Handler fallback_;
  std::vector<SeenRequest> requests_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::size_t failed_handshakes_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread acceptor_;
};

}  // namespace tollgate::testing
