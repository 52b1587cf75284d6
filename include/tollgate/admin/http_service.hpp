#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/secret.hpp"

namespace tollgate::admin {

/// One request to the admin port or the control socket.
struct Request {
  std::string method;
  std::string path;   ///< without the query
  std::string query;  ///< raw
  std::string body;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

/// One entry of the route table. Deny by default: a path that is not here does not exist.
struct Route {
  std::string method;
  std::string path;                                ///< exact
  bool open = false;                               ///< answers without a token (health only)
  std::function<Response(const Request&)> handle;  ///< may block: runs on the service's own thread
};

/// Serves operators over a TCP port (bearer token) or a Unix socket (mode 0600, the file system
/// decides who may connect), on a thread of its own, so that it answers while workers are busy.
///
/// Not on the data path: plain Beast. Limits: 64 KiB heads, 1 MiB bodies, 10 s per message.
/// Threads: start/stop from the main thread; handlers run on the service's thread.
class HttpService {
 public:
  explicit HttpService(std::string thread_name);
  ~HttpService();
  HttpService(const HttpService&) = delete;
  HttpService& operator=(const HttpService&) = delete;

  /// Both throw std::runtime_error naming the address when it cannot be bound.
  void listen_tcp(const std::string& host, std::uint16_t port);
  /// Replaces a stale socket file; refuses when another process answers on it, and when the file is
  /// anything but a socket.
  void listen_unix(const std::string& path);

  void set_routes(std::vector<Route> routes);
  /// The bearer token of non-open routes over TCP; empty = such routes answer 403 to everyone.
  void set_token(base::Secret token);
  void start();
  void stop();
  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A blocking client for the Unix socket, for the command line. Waits up to 30 s for the answer.
/// @return status 0 when nobody listens there (no such socket, or connection refused).
/// Throws std::runtime_error with one line for a person when the socket may not be used or the
/// answer does not come: a gateway may well be running then.
[[nodiscard]] Response control_call(const std::string& socket_path, const std::string& method,
                                    const std::string& target, const std::string& body);

}  // namespace tollgate::admin
