// The benchmark's load generator: one thread, raw epoll, OpenSSL for TLS.
//
//   --mode closed   each connection sends as soon as it was answered: saturation
//   --mode open     --rate requests a second are due at even times; a request that finds no free
//                   connection waits, and its latency still counts from when it was due, so a slow
//                   server cannot hide by slowing the generator down (no coordinated omission)
//   --mode sse      --rate streams a second, open loop; first-event time and relay delay per event
//   --mode hold     --connections streams opened at once and read until the end of --seconds
//
// Prints one JSON object. Times are in microseconds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client_connection.hpp"
#include "samples.hpp"
#include "wire.hpp"

namespace tollgate::bench {
namespace {

enum class Mode : std::uint8_t { closed, open, sse, hold };

struct Options {
  Mode mode = Mode::closed;
  std::uint16_t port = 0;
  std::size_t connections = 64;
  double rate = 500;
  double seconds = 4;
  double warmup = 1;
  std::size_t body_bytes = 1024;
  bool tls = false;
  std::string path = "/v1/chat/completions";
  std::string model = "bench";
  std::string key;
  std::uint64_t interval_us = 0;  ///< between events of a stream; 0 = the upstream's default
};

/// A request waiting for its answer (or, in `open`, for a connection).
struct Call {
  std::uint64_t due = 0;
  bool counted = false;
  bool first_seen = false;
};

class Generator {
 public:
  explicit Generator(Options options);
  int run();

 private:
  [[nodiscard]] bool streaming() const noexcept {
    return options_.mode == Mode::sse || options_.mode == Mode::hold;
  }
  [[nodiscard]] bool open_loop() const noexcept {
    return options_.mode == Mode::open || options_.mode == Mode::sse;
  }
  void dispatch(std::uint64_t now);
  void start(std::size_t index, Call call);
  void on_ready(std::size_t index);
  void on_piece(Call& call, std::string_view piece, std::uint64_t now);
  void finished(std::size_t index, std::uint64_t now);
  void failed(std::size_t index, const std::string& why);
  void print(std::uint64_t end) const;

  Options options_;
  std::string request_;
  int epoll_;
  SslContext tls_;
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::vector<Call> calls_;        // by connection
  std::vector<std::size_t> free_;  // connections without a call
  std::deque<Call> waiting_;
  std::uint64_t begin_ = 0, measure_from_ = 0, stop_ = 0;
  std::uint64_t next_due_ = 0, step_ = 0;
  std::size_t in_flight_ = 0, most_waiting_ = 0;
  Samples latency_, first_event_, relay_;
  std::uint64_t events_ = 0;
  // Warm-up included: what CPU time and audit rows are divided by and compared with.
  std::uint64_t started_ = 0, answered_ = 0, events_seen_ = 0;
  std::map<std::string, std::uint64_t> errors_;
};

Generator::Generator(Options options)
    : options_(std::move(options)), epoll_(::epoll_create1(EPOLL_CLOEXEC)), tls_(options_.tls) {
  const std::string body =
      request_body(options_.model, options_.body_bytes, streaming(), options_.interval_us);
  request_ = "POST " + options_.path +
             " HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nuser-agent: "
             "tollgate-bench/1\r\n";
  if (!options_.key.empty()) request_ += "authorization: Bearer " + options_.key + "\r\n";
  request_ += "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  for (std::size_t i = 0; i < options_.connections; ++i) {
    connections_.push_back(
        std::make_unique<ClientConnection>(epoll_, i, options_.port, tls_.get()));
    free_.push_back(i);
  }
  calls_.resize(options_.connections);
  latency_.reserve(4'000'000);
}

void Generator::start(std::size_t index, Call call) {
  calls_[index] = call;
  ++in_flight_;
  ++started_;
  // At a fixed rate some connections are rarely or never used, and servers close such: look first,
  // as HTTP clients do, so that what counts as an error is a call that was lost.
  if (open_loop() && !connections_[index]->pump()) connections_[index]->reconnect();
  if (!connections_[index]->send(request_)) failed(index, connections_[index]->failure());
}

void Generator::dispatch(std::uint64_t now) {
  if (open_loop()) {
    for (; next_due_ <= now && next_due_ < stop_; next_due_ += step_) {
      Call call;
      call.due = next_due_;
      call.counted = next_due_ >= measure_from_;
      waiting_.push_back(call);
    }
    most_waiting_ = std::max(most_waiting_, waiting_.size());
    while (!waiting_.empty() && !free_.empty()) {
      const std::size_t index = free_.back();  // the warmest one
      free_.pop_back();
      const Call call = waiting_.front();
      waiting_.pop_front();
      start(index, call);
    }
    return;
  }
  if (now >= stop_) return;
  while (!free_.empty()) {
    const std::size_t index = free_.back();
    free_.pop_back();
    const std::uint64_t due = now_ns();
    Call call;
    call.due = due;
    call.counted = due >= measure_from_;
    start(index, call);
  }
}

void Generator::on_piece(Call& call, std::string_view piece, std::uint64_t now) {
  // A proxy may join or split chunks: events are counted by their marker, and the last send time in
  // the piece is the one whose relay delay is the proxy's doing.
  std::size_t at = 0;
  while ((at = piece.find("\"sent_ns\":\"", at)) != std::string_view::npos) {
    at += 11;
    const std::uint64_t sent = std::strtoull(piece.data() + at, nullptr, 16);
    ++events_seen_;
    if (!call.first_seen) {
      call.first_seen = true;
      if (call.counted) first_event_.add(now - call.due);
    }
    if (call.counted) {
      ++events_;
      relay_.add(now - sent);
    }
  }
}

void Generator::finished(std::size_t index, std::uint64_t now) {
  const Call& call = calls_[index];
  const int status = connections_[index]->reader().status();
  --in_flight_;
  ++answered_;
  if (call.counted) {
    if (status == 200) {
      latency_.add(now - call.due);
    } else {
      ++errors_["status " + std::to_string(status)];
    }
  }
  if (connections_[index]->reader().closes()) connections_[index]->reconnect();
  free_.push_back(index);
}

void Generator::failed(std::size_t index, const std::string& why) {
  --in_flight_;
  if (calls_[index].counted) ++errors_[why];
  connections_[index]->reconnect();
  free_.push_back(index);
}

void Generator::on_ready(std::size_t index) {
  ClientConnection& connection = *connections_[index];
  const bool busy = connection.busy();
  if (!connection.pump()) {
    if (busy) {
      failed(index, connection.failure());
    } else {
      connection.reconnect();  // an idle connection the server closed
    }
    return;
  }
  for (;;) {
    const MessageReader::State state = connection.reader().step();
    if (state == MessageReader::State::need_more) return;
    const std::uint64_t now = now_ns();
    if (state == MessageReader::State::broken) {
      failed(index, "broken framing");
      return;
    }
    if (state == MessageReader::State::chunk) {
      if (streaming()) on_piece(calls_[index], connection.reader().piece(), now);
      continue;
    }
    connection.answered();
    finished(index, now);
    return;
  }
}

int Generator::run() {
  begin_ = now_ns();
  measure_from_ = begin_ + static_cast<std::uint64_t>(options_.warmup * 1e9);
  stop_ = measure_from_ + static_cast<std::uint64_t>(options_.seconds * 1e9);
  step_ = static_cast<std::uint64_t>(1e9 / options_.rate);
  next_due_ = begin_ + step_;
  // Open streams may finish after the last was started; a saturation run just stops.
  const std::uint64_t give_up = stop_ + (open_loop() ? 15'000'000'000ull : 0);
  std::array<epoll_event, 256> events{};
  for (;;) {
    std::uint64_t now = now_ns();
    dispatch(now);
    if (now >= stop_ && (!open_loop() || (in_flight_ == 0 && waiting_.empty()))) break;
    if (now >= give_up) break;
    std::uint64_t until = now < stop_ ? stop_ : give_up;
    if (open_loop() && next_due_ < stop_) until = std::min(until, next_due_);
    now = now_ns();
    const std::uint64_t wait = until > now ? until - now : 0;
    const timespec limit{static_cast<time_t>(wait / 1'000'000'000),
                         static_cast<long>(wait % 1'000'000'000)};
    const int ready =
        ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
    for (int i = 0; i < ready; ++i) {
      on_ready(static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64));
    }
  }
  if (open_loop()) {
    if (in_flight_ + waiting_.size() > 0) errors_["unfinished"] += in_flight_ + waiting_.size();
  }
  print(now_ns());
  return 0;
}

void Generator::print(std::uint64_t end) const {
  const std::uint64_t measured_end = std::min(end, stop_);
  const double seconds = static_cast<double>(measured_end - measure_from_) / 1e9;
  std::uint64_t failures = 0;
  for (const auto& [why, count] : errors_) failures += count;
  std::printf("{\"ok\":%zu,\"errors\":%llu,\"seconds\":%.3f,\"rps\":%.1f,\"most_waiting\":%zu",
              latency_.size(), static_cast<unsigned long long>(failures), seconds,
              static_cast<double>(latency_.size()) / seconds, most_waiting_);
  std::printf(",\"started\":%llu,\"answered\":%llu,\"events_seen\":%llu",
              static_cast<unsigned long long>(started_), static_cast<unsigned long long>(answered_),
              static_cast<unsigned long long>(events_seen_));
  std::printf(",\"latency\":%s", latency_.json().c_str());
  if (streaming()) {
    std::printf(",\"events\":%llu,\"ttft\":%s,\"relay\":%s",
                static_cast<unsigned long long>(events_), first_event_.json().c_str(),
                relay_.json().c_str());
  }
  std::printf(",\"error_kinds\":{");
  bool first = true;
  for (const auto& [why, count] : errors_) {
    std::printf("%s\"%s\":%llu", first ? "" : ",", why.c_str(),
                static_cast<unsigned long long>(count));
    first = false;
  }
  std::printf("}}\n");
}

bool parse(int argc, char** argv, Options& out) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--mode") {
      if (value == "closed") {
        out.mode = Mode::closed;
      } else if (value == "open") {
        out.mode = Mode::open;
      } else if (value == "sse") {
        out.mode = Mode::sse;
      } else if (value == "hold") {
        out.mode = Mode::hold;
      } else {
        return false;
      }
    } else if (name == "--port") {
      out.port = static_cast<std::uint16_t>(std::stoul(value));
    } else if (name == "--connections") {
      out.connections = std::stoul(value);
    } else if (name == "--rate") {
      out.rate = std::stod(value);
    } else if (name == "--seconds") {
      out.seconds = std::stod(value);
    } else if (name == "--warmup") {
      out.warmup = std::stod(value);
    } else if (name == "--body-bytes") {
      out.body_bytes = std::stoul(value);
    } else if (name == "--tls") {
      out.tls = value == "1";
    } else if (name == "--path") {
      out.path = value;
    } else if (name == "--model") {
      out.model = value;
    } else if (name == "--key") {
      out.key = value;
    } else if (name == "--interval-us") {
      out.interval_us = std::stoul(value);
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && out.port != 0;
}

}  // namespace
}  // namespace tollgate::bench

int main(int argc, char** argv) {
  // Without this the kernel adds up to 50 us to every wait, which is more than a proxy costs.
  ::prctl(PR_SET_TIMERSLACK, 1);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  tollgate::bench::Options options;
  if (!tollgate::bench::parse(argc, argv, options)) {
    std::fprintf(stderr, "bench_loadgen: bad options; see the top of loadgen.cpp\n");
    return 2;
  }
  return tollgate::bench::Generator(options).run();
}
