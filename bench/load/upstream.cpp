// The benchmark's upstream: one thread, raw epoll, answers chat completions as fast as it can.
//
// A request whose body has `"stream":true` gets an SSE stream of --chunks events, --interval-us
// (or the "interval_us" of the request) apart, each carrying its send time; any other gets a
// completion of about --body-bytes after
// --latency-us. SIGTERM ends it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "wire.hpp"

namespace tollgate::bench {
namespace {

struct Options {
  std::uint16_t port = 0;
  std::size_t body_bytes = 1024;
  std::uint64_t latency_ns = 0;
  std::size_t chunks = 200;
  std::uint64_t interval_ns = 5'000'000;
};

struct Connection {
  explicit Connection(int descriptor) : fd(descriptor) {}
  int fd;
  MessageReader reader;
  std::string out;  ///< what the socket did not take yet
  bool streaming = false;
  bool wants_usage = false;
  std::size_t chunks_left = 0;
  std::uint64_t interval_ns = 0;
};

struct Due {
  std::uint64_t at;
  std::uint64_t connection;
  bool operator>(const Due& other) const noexcept { return at > other.at; }
};

std::string completion(std::size_t bytes) {
  const std::string head =
      R"({"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":")";
  const std::string tail =
      R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":180,"completion_tokens":120,"total_tokens":300}})";
  const std::size_t fixed = head.size() + tail.size();
  const std::string body = head + prose(bytes > fixed ? bytes - fixed : 16) + tail;
  return "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

class Upstream {
 public:
  explicit Upstream(const Options& options)
      : options_(options), completion_(completion(options.body_bytes)) {}

  void run();

 private:
  void accept_all();
  void readable(std::uint64_t id, Connection& connection);
  void answer(std::uint64_t id, Connection& connection);
  void send_chunk(std::uint64_t id, Connection& connection);
  void due(std::uint64_t id);
  /// False: the connection is gone.
  bool write(std::uint64_t id, Connection& connection, std::string_view bytes);
  void drop(std::uint64_t id);
  void listen();

  Options options_;
  std::string completion_;
  int epoll_ = -1;
  int listener_ = -1;
  std::uint64_t next_id_ =
      1;  // 0 is the listener; ids are never reused, a late timer finds nothing
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> timers_;
};

void Upstream::listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(options_.port);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 4096) != 0) {
    std::perror("bench_upstream: listen");
    std::exit(1);
  }
  socklen_t size = sizeof address;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%u\n", static_cast<unsigned>(ntohs(address.sin_port)));
  std::fflush(stdout);
}

void Upstream::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::uint64_t id = next_id_++;
    connections_.emplace(id, std::make_unique<Connection>(fd));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void Upstream::drop(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  ::close(found->second->fd);
  connections_.erase(found);
}

bool Upstream::write(std::uint64_t id, Connection& connection, std::string_view bytes) {
  if (connection.out.empty()) {
    const ssize_t sent = ::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      drop(id);
      return false;
    }
    bytes.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    if (bytes.empty()) return true;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.u64 = id;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }
  connection.out.append(bytes);
  return true;
}

void Upstream::answer(std::uint64_t id, Connection& connection) {
  const std::string_view body = connection.reader.body();
  if (body.find(R"("stream":true)") != std::string_view::npos) {
    connection.streaming = true;
    connection.wants_usage = body.find(R"("include_usage":true)") != std::string_view::npos;
    connection.chunks_left = options_.chunks;
    connection.interval_ns = options_.interval_ns;
    constexpr std::string_view kInterval = R"("interval_us":")";
    if (const std::size_t at = body.find(kInterval); at != std::string_view::npos) {
      connection.interval_ns =
          std::strtoull(body.data() + at + kInterval.size(), nullptr, 10) * 1000;
    }
  } else {
    connection.streaming = false;
  }
  if (options_.latency_ns > 0) {
    timers_.push({now_ns() + options_.latency_ns, id});
  } else {
    due(id);
  }
}

void Upstream::due(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  if (!connection.streaming) {
    write(id, connection, completion_);
    return;
  }
  send_chunk(id, connection);
}

void Upstream::send_chunk(std::uint64_t id, Connection& connection) {
  std::string out;
  if (connection.chunks_left == options_.chunks) {
    out =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: "
        "chunked\r\n\r\n";
  }
  const auto add = [&](std::string_view event) {
    std::array<char, 16> size{};
    const int digits = std::snprintf(size.data(), size.size(), "%zx\r\n", event.size());
    out.append(size.data(), static_cast<std::size_t>(digits)).append(event).append("\r\n");
  };
  if (connection.chunks_left > 0) {
    --connection.chunks_left;
    std::array<char, 320> event{};
    // The time is hexadecimal and outside the text: no detector takes it for a card number.
    const int length = std::snprintf(
        event.data(), event.size(),
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
        "1700000000,\"model\":\"bench\",\"sent_ns\":\"%llx\",\"choices\":[{\"index\":0,\"delta\":"
        "{\"content\":\"some words \"},\"finish_reason\":null}]}\n\n",
        static_cast<unsigned long long>(now_ns()));
    add({event.data(), static_cast<std::size_t>(length)});
    if (write(id, connection, out)) timers_.push({now_ns() + connection.interval_ns, id});
    return;
  }
  add("data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
      "1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{},"
      "\"finish_reason\":\"stop\"}]}\n\n");
  if (connection.wants_usage) {
    add("data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
        "1700000000,\"model\":\"bench\",\"choices\":[],\"usage\":{\"prompt_tokens\":180,"
        "\"completion_tokens\":200,\"total_tokens\":380}}\n\n");
  }
  add("data: [DONE]\n\n");
  out += "0\r\n\r\n";
  write(id, connection, out);
}

void Upstream::readable(std::uint64_t id, Connection& connection) {
  std::array<char, 128 * 1024> chunk;  // not zeroed: this is the hot path of every variant alike
  const ssize_t got = ::recv(connection.fd, chunk.data(), chunk.size(), 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    drop(id);
    return;
  }
  if (got < 0) return;
  connection.reader.buffer().append(chunk.data(), static_cast<std::size_t>(got));
  for (;;) {
    const MessageReader::State state = connection.reader.step();
    if (state == MessageReader::State::need_more) return;
    if (state == MessageReader::State::broken) {
      drop(id);
      return;
    }
    if (state == MessageReader::State::done) {
      answer(id, connection);
      if (!connections_.contains(id)) return;
    }
  }
}

void Upstream::run() {
  listen();
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
  std::array<epoll_event, 256> events{};
  for (;;) {
    timespec limit{3600, 0};
    if (!timers_.empty()) {
      const std::uint64_t now = now_ns();
      const std::uint64_t wait = timers_.top().at > now ? timers_.top().at - now : 0;
      limit = {static_cast<time_t>(wait / 1'000'000'000), static_cast<long>(wait % 1'000'000'000)};
    }
    const int ready =
        ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
    for (int i = 0; i < ready; ++i) {
      const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == 0) {
        accept_all();
        continue;
      }
      auto found = connections_.find(id);
      if (found == connections_.end()) continue;
      if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) {
        Connection& connection = *found->second;
        const std::string pending = std::exchange(connection.out, std::string());
        epoll_event plain{};
        plain.events = EPOLLIN;
        plain.data.u64 = id;
        ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &plain);
        if (!write(id, connection, pending)) continue;
      }
      readable(id, *found->second);
    }
    while (!timers_.empty() && timers_.top().at <= now_ns()) {
      const std::uint64_t id = timers_.top().connection;
      timers_.pop();
      due(id);
    }
  }
}

}  // namespace
}  // namespace tollgate::bench

int main(int argc, char** argv) {
  ::prctl(PR_SET_TIMERSLACK, 1);
  tollgate::bench::Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const unsigned long long value = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--port") {
      options.port = static_cast<std::uint16_t>(value);
    } else if (name == "--body-bytes") {
      options.body_bytes = value;
    } else if (name == "--latency-us") {
      options.latency_ns = value * 1000;
    } else if (name == "--chunks") {
      options.chunks = value;
    } else if (name == "--interval-us") {
      options.interval_ns = value * 1000;
    } else {
      std::fprintf(stderr, "bench_upstream: unknown option %s\n", argv[i]);
      return 2;
    }
  }
  tollgate::bench::Upstream(options).run();
}
