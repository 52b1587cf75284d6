#include "tollgate/admin/http_service.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <thread>

#include "tollgate/base/strings.hpp"

namespace tollgate::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::size_t kMaxBody = 1 << 20;
constexpr auto kMessageTime = std::chrono::seconds(10);

Response error_response(int status, const char* code, const std::string& message) {
  const nlohmann::json body = {{"error", {{"code", code}, {"message", message}}}};
  return {status, "application/json", body.dump()};
}

}  // namespace

struct HttpService::State {
  asio::io_context io{1};
  std::string thread_name;
  std::thread thread;
  std::optional<asio::ip::tcp::acceptor> tcp;
  std::optional<asio::local::stream_protocol::acceptor> local;
  std::string local_path;
  std::uint16_t port = 0;
  std::vector<Route> routes;
  std::mutex token_mutex;
  base::Secret token;

  [[nodiscard]] bool authorized(std::string_view header) {
    const std::lock_guard lock(token_mutex);
    if (token.empty() || header.size() < 7 || !base::iequals(header.substr(0, 7), "bearer "))
      return false;
    return token.equals(base::trim_ows(header.substr(7)));
  }

  [[nodiscard]] bool has_token() {
    const std::lock_guard lock(token_mutex);
    return !token.empty();
  }

  Response dispatch(const Request& request, bool trusted, std::string_view authorization) {
    bool path_known = false;
    for (const Route& route : routes) {
      if (route.path != request.path) continue;
      path_known = true;
      if (route.method != request.method && !(route.method == "GET" && request.method == "HEAD"))
        continue;
      if (!route.open && !trusted && !authorized(authorization))
        return has_token()
                   ? error_response(401, "unauthorized", "a bearer token is needed: admin.token")
                   : error_response(403, "no_token_set",
                                    "admin.token is not set in the configuration: without it only "
                                    "/healthz and /readyz answer");
      try {
        return route.handle(request);
      } catch (const std::exception& failure) {
        return error_response(500, "internal_error", base::printable(failure.what()));
      }
    }
    if (path_known)
      return error_response(405, "method_not_allowed", "the path exists, the method does not");
    return error_response(404, "not_found", "no such path");
  }
};

namespace {

/// One operator's connection: reads a request, answers, again.
template <class Protocol>
class Connection : public std::enable_shared_from_this<Connection<Protocol>> {
 public:
  using Stream = beast::basic_stream<Protocol>;
  using Dispatch = std::function<Response(const Request&, std::string_view authorization)>;

  Connection(typename Protocol::socket socket, Dispatch dispatch)
      : stream_(std::move(socket)), dispatch_(std::move(dispatch)) {}

  void read() {
    parser_.emplace();
    parser_->body_limit(kMaxBody);
    parser_->header_limit(64 * 1024);
    stream_.expires_after(kMessageTime);
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](const error_code& error, std::size_t) {
                       if (!error) self->answer();
                     });
  }

 private:
  void answer() {
    const auto& message = parser_->get();
    Request request;
    request.method = std::string(message.method_string());
    const std::string target(message.target());
    const std::size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string::npos) request.query = target.substr(mark + 1);
    request.body = message.body();
    const std::string authorization(message[http::field::authorization]);
    Response result = dispatch_(request, authorization);

    response_ = {};
    response_.version(message.version());
    response_.result(static_cast<unsigned>(result.status));
    response_.set(http::field::content_type, result.content_type);
    response_.set(http::field::cache_control, "no-store");
    if (request.method != "HEAD") response_.body() = std::move(result.body);
    response_.keep_alive(message.keep_alive());
    response_.prepare_payload();
    stream_.expires_after(kMessageTime);
    http::async_write(stream_, response_,
                      [self = this->shared_from_this()](const error_code& error, std::size_t) {
                        if (!error && self->response_.keep_alive()) self->read();
                      });
  }

  Stream stream_;
  Dispatch dispatch_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
};

/// After an accept error.
constexpr auto kAcceptPause = std::chrono::milliseconds(50);

template <class Acceptor, class Serve>
void accept_loop(Acceptor& acceptor, Serve serve) {
  acceptor.async_accept([&acceptor, serve](const error_code& error, auto socket) {
    if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
    if (error) {
      // Out of descriptors, most likely: the condition needs time to pass, and the thread others.
      auto pause = std::make_shared<asio::steady_timer>(acceptor.get_executor(), kAcceptPause);
      pause->async_wait([&acceptor, serve, pause](const error_code&) {
        if (acceptor.is_open()) accept_loop(acceptor, serve);
      });
      return;
    }
    serve(std::move(socket));
    accept_loop(acceptor, serve);
  });
}

/// Makes way for a socket at `path`; false, and nothing removed: what is there is something else,
/// and perhaps all there is of it.
bool remove_socket(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) return false;
  ::unlink(path.c_str());  // if it fails, so does the bind, which says why
  return true;
}

}  // namespace

HttpService::HttpService(std::string thread_name) : state_(std::make_unique<State>()) {
  state_->thread_name = std::move(thread_name);
}

HttpService::~HttpService() {
  try {
    stop();
  } catch (...) {
    // Owners stop it before; what a second stop could meet is not worth ending the process for.
    return;
  }
}

void HttpService::listen_tcp(const std::string& host, std::uint16_t port) {
  error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) throw std::runtime_error(fmt::format("admin: {} is not an IP address", host));
  auto& acceptor = state_->tcp.emplace(state_->io);
  const asio::ip::tcp::endpoint endpoint(address, port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    throw std::runtime_error(
        fmt::format("admin: cannot listen on {}:{}: {}", host, port, error.message()));
  state_->port = acceptor.local_endpoint().port();
}

void HttpService::listen_unix(const std::string& path) {
  error_code error;
  asio::local::stream_protocol::endpoint endpoint;
  try {
    endpoint = asio::local::stream_protocol::endpoint(path);
  } catch (const std::exception&) {
    throw std::runtime_error(fmt::format("control socket: path {} is too long", path));
  }
  {
    asio::local::stream_protocol::socket probe(state_->io);
    probe.connect(endpoint, error);
    if (!error)
      throw std::runtime_error(
          fmt::format("control socket {}: another tollgate answers there", path));
  }
  if (!remove_socket(path))
    throw std::runtime_error(
        fmt::format("control socket {}: a file that is no socket is there; move it away, or name "
                    "another control_socket",
                    path));
  auto& acceptor = state_->local.emplace(state_->io);
  acceptor.open(endpoint.protocol(), error);
  // Nobody else may connect, not even for the moment between bind and chmod.
  const mode_t before = ::umask(0177);
  if (!error) acceptor.bind(endpoint, error);
  ::umask(before);
  if (!error) acceptor.listen(16, error);
  if (error) throw std::runtime_error(fmt::format("control socket {}: {}", path, error.message()));
  state_->local_path = path;
}

void HttpService::set_routes(std::vector<Route> routes) {
  state_->routes = std::move(routes);
}

void HttpService::set_token(base::Secret token) {
  const std::lock_guard lock(state_->token_mutex);
  state_->token = std::move(token);
}

std::uint16_t HttpService::port() const noexcept {
  return state_->port;
}

void HttpService::start() {
  State* const state = state_.get();
  if (state->tcp)
    accept_loop(*state->tcp, [state](asio::ip::tcp::socket socket) {
      std::make_shared<Connection<asio::ip::tcp>>(
          std::move(socket),
          [state](const Request& request, std::string_view authorization) {
            return state->dispatch(request, false, authorization);
          })
          ->read();
    });
  if (state->local)
    accept_loop(*state->local, [state](asio::local::stream_protocol::socket socket) {
      std::make_shared<Connection<asio::local::stream_protocol>>(
          std::move(socket),
          [state](const Request& request, std::string_view) {
            return state->dispatch(request, true, {});
          })
          ->read();
    });
  state->thread = std::thread([state] {
    pthread_setname_np(pthread_self(), state->thread_name.c_str());
    state->io.run();
  });
}

void HttpService::stop() {
  if (!state_->thread.joinable()) return;
  State* const state = state_.get();
  asio::post(state->io, [state] {
    error_code ignored;
    if (state->tcp) state->tcp->close(ignored);
    if (state->local) state->local->close(ignored);
    state->io.stop();
  });
  state->thread.join();
  if (!state->local_path.empty()) remove_socket(state->local_path);
}

Response control_call(const std::string& socket_path, const std::string& method,
                      const std::string& target, const std::string& body) {
  // Longer than any command takes: a write to the store waits for the disk.
  constexpr auto kPatience = std::chrono::seconds(30);
  const auto failed = [&socket_path](const std::string& why) {
    return std::runtime_error("control socket " + socket_path + ": " + why);
  };
  Response result;
  result.status = 0;
  asio::local::stream_protocol::endpoint endpoint;
  try {
    endpoint = asio::local::stream_protocol::endpoint(socket_path);
  } catch (const std::exception&) {
    throw failed("the path is too long for a Unix socket");
  }
  asio::io_context io;
  asio::local::stream_protocol::socket socket(io);
  error_code error;
  socket.connect(endpoint, error);
  // Only these two say that no gateway runs. Anything else (a permission, above all) must not be
  // taken for it: the caller would go on without the gateway.
  if (error == asio::error::connection_refused ||
      error == boost::system::errc::no_such_file_or_directory)
    return result;
  if (error) {
    const bool denied = error == asio::error::access_denied;
    throw failed(denied ? "permission denied; run this as the user the gateway runs as"
                        : error.message());
  }
  http::request<http::string_body> request;
  request.method_string(method);
  request.target(target);
  request.version(11);
  request.set(http::field::host, "localhost");
  request.body() = body;
  request.prepare_payload();
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(64u << 20);
  bool done = false;
  http::async_write(socket, request, [&](error_code sent, std::size_t) {
    error = sent;
    if (sent) {
      done = true;
      return;
    }
    http::async_read(socket, buffer, parser, [&](error_code read, std::size_t) {
      error = read;
      done = true;
    });
  });
  io.run_for(kPatience);
  if (!done) throw failed(fmt::format("no answer within {} s", kPatience.count()));
  if (error) throw failed(error.message());
  result.status = static_cast<int>(parser.get().result_int());
  result.content_type = std::string(parser.get()[http::field::content_type]);
  result.body = parser.get().body();
  return result;
}

}  // namespace tollgate::admin
