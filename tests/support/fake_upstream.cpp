#include "support/fake_upstream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "support/http_text.hpp"

namespace tollgate::testing {
namespace {

constexpr milliseconds kPollStep{20};

std::string reason_phrase(int status) {
  return status < 400 ? "OK" : "Error";
}

std::string common_name(SSL* ssl) {
  if (ssl == nullptr) return {};
  X509* cert = SSL_get1_peer_certificate(ssl);
  if (cert == nullptr) return {};
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  X509_free(cert);
  return name.data();
}

}  // namespace

std::string sse_data(std::string_view json, std::string_view name) {
  std::string out;
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  out.append("data: ").append(json).append("\n\n");
  return out;
}

// ---- Answer ----

Answer Answer::json(int status, std::string body) {
  Answer answer = text(std::move(body), "application/json");
  answer.status_ = status;
  return answer;
}

Answer Answer::sse(std::vector<std::string> events, milliseconds gap) {
  Answer answer;
  answer.headers_.emplace_back("content-type", "text/event-stream");
  answer.framing_ = Framing::chunked;
  answer.pieces_ = std::move(events);
  answer.gap_ = gap;
  return answer;
}

Answer Answer::text(std::string body, std::string content_type) {
  Answer answer;
  answer.headers_.emplace_back("content-type", std::move(content_type));
  answer.pieces_.push_back(std::move(body));
  return answer;
}

Answer Answer::raw(std::string bytes) {
  Answer answer;
  answer.framing_ = Framing::verbatim;
  answer.pieces_.push_back(std::move(bytes));
  return answer;
}

Answer Answer::silence() {
  return raw("").end(End::silent);
}
Answer Answer::reset_before_first_byte() {
  return raw("").end(End::reset);
}
Answer Answer::close_before_first_byte() {
  return raw("").end(End::close);
}

Answer& Answer::header(std::string name, std::string value) {
  headers_.emplace_back(std::move(name), std::move(value));
  return *this;
}

Answer& Answer::after(milliseconds delay) {
  delay_ = delay;
  return *this;
}

Answer& Answer::drip(std::size_t bytes, milliseconds gap) {
  std::string whole;
  for (const std::string& piece : pieces_) whole += piece;
  pieces_.clear();
  for (std::size_t at = 0; at < whole.size(); at += bytes)
    pieces_.push_back(whole.substr(at, bytes));
  gap_ = gap;
  return *this;
}

Answer& Answer::cut_at(std::size_t body_bytes, End how) {
  cut_at_ = body_bytes;
  end_ = how;
  return *this;
}

Answer& Answer::framing(Framing value) {
  framing_ = value;
  if (value == Framing::until_close && end_ == End::keep) end_ = End::close;
  return *this;
}

Answer& Answer::end(End value) {
  end_ = value;
  return *this;
}

// ---- FakeUpstream ----

FakeUpstream::FakeUpstream(SslCtxPtr tls) : tls_(std::move(tls)) {
  listener_ = listen_loopback(port_);
  acceptor_ = std::thread([this] { accept_loop(); });
}

FakeUpstream::~FakeUpstream() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  drop_connections();
  for (auto& connection : connections_) connection->thread.join();
}

std::string FakeUpstream::url() const {
  return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_);
}

void FakeUpstream::on(const std::string& method, const std::string& path,
                      std::vector<Answer> answers) {
  const std::lock_guard lock(mutex_);
  routes_[method + " " + path] = Route{std::move(answers), 0, nullptr};
}

void FakeUpstream::on(const std::string& method, const std::string& path, Handler handler) {
  const std::lock_guard lock(mutex_);
  routes_[method + " " + path] = Route{{}, 0, std::move(handler)};
}

void FakeUpstream::fallback(Handler handler) {
  const std::lock_guard lock(mutex_);
  fallback_ = std::move(handler);
}

std::vector<SeenRequest> FakeUpstream::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::size_t FakeUpstream::request_count() const {
  const std::lock_guard lock(mutex_);
  return requests_.size();
}

std::size_t FakeUpstream::connection_count() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

std::size_t FakeUpstream::failed_handshakes() const {
  const std::lock_guard lock(mutex_);
  return failed_handshakes_;
}

bool FakeUpstream::wait_for_requests(std::size_t count, milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return requests_.size() >= count; });
}

std::optional<SteadyTime> FakeUpstream::wait_for_peer_left(std::size_t index,
                                                           milliseconds limit) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] {
    return index < requests_.size() && requests_[index].peer_left_at.has_value();
  });
  if (index >= requests_.size()) return std::nullopt;
  return requests_[index].peer_left_at;
}

void FakeUpstream::drop_connections() {
  const std::lock_guard lock(mutex_);
  for (auto& connection : connections_) {
    if (!connection->done) ::shutdown(connection->fd, SHUT_RDWR);
  }
}

void FakeUpstream::accept_loop() {
  while (!stopping_) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) continue;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    const std::size_t index = connections_.size();
    connections_.push_back(std::make_unique<Connection>());
    connections_.back()->fd = fd.get();
    connections_.back()->thread = std::thread(
        [this, index, owned = std::move(fd)]() mutable { serve(index, std::move(owned)); });
  }
}

void FakeUpstream::serve(std::size_t index, Fd fd) {
  Transport transport(std::move(fd));
  std::string buffer;
  if (tls_ && !transport.accept_tls(tls_.get())) {
    const std::lock_guard lock(mutex_);
    ++failed_handshakes_;
    connections_[index]->done = true;
    return;
  }
  while (!stopping_ && serve_one(index, transport, buffer)) {
  }
  // The descriptor's number may be reused as soon as it is closed: mark first, under the lock.
  const std::lock_guard lock(mutex_);
  connections_[index]->done = true;
  transport.close();
}

bool FakeUpstream::serve_one(std::size_t index, Transport& transport, std::string& buffer) {
  SeenRequest request;
  request.connection = index;
  const auto more = [&] {
    while (!stopping_) {
      const ReadEnd end = transport.read_some(buffer, kPollStep);
      if (end == ReadEnd::data) return true;
      if (end != ReadEnd::timeout) return false;
    }
    return false;
  };
  if (!read_request(buffer, more, request)) return false;
  if (transport.ssl() != nullptr) {
    const char* sni = SSL_get_servername(transport.ssl(), TLSEXT_NAMETYPE_host_name);
    request.sni = sni == nullptr ? "" : sni;
    request.client_subject = common_name(transport.ssl());
  }
  std::size_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = requests_.size();
    requests_.push_back(request);
  }
  changed_.notify_all();
  return play(choose(request), transport, number);
}

Answer FakeUpstream::choose(const SeenRequest& request) {
  Handler handler;
  {
    const std::lock_guard lock(mutex_);
    const std::string path = request.target.substr(0, request.target.find('?'));
    const auto found = routes_.find(request.method + " " + path);
    if (found != routes_.end() && !found->second.handler) {
      Route& route = found->second;
      const Answer answer = route.answers.at(std::min(route.next, route.answers.size() - 1));
      ++route.next;
      return answer;
    }
    handler = found != routes_.end() ? found->second.handler : fallback_;
  }
  if (handler) return handler(request);
  return Answer::json(404, R"({"error":{"message":"fake upstream: no such route"}})");
}

void FakeUpstream::peer_left(std::size_t request) {
  {
    const std::lock_guard lock(mutex_);
    requests_[request].peer_left_at = std::chrono::steady_clock::now();
  }
  changed_.notify_all();
}

bool FakeUpstream::pause(Transport& transport, milliseconds how_long, std::size_t request) {
  const SteadyTime until = std::chrono::steady_clock::now() + how_long;
  while (!stopping_) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return true;
    if (transport.wait_peer_gone(std::min(left, kPollStep))) {
      peer_left(request);
      return false;
    }
  }
  return false;
}

bool FakeUpstream::play(const Answer& answer, Transport& transport, std::size_t request) {
  if (answer.delay_.count() > 0 && !pause(transport, answer.delay_, request)) return false;
  const auto write = [&](std::string_view bytes) {
    if (bytes.empty() || transport.write_all(bytes)) return true;
    peer_left(request);
    return false;
  };

  std::size_t total = 0;
  for (const std::string& piece : answer.pieces_) total += piece.size();
  std::string first;
  if (answer.framing_ != Answer::Framing::verbatim) {
    first =
        "HTTP/1.1 " + std::to_string(answer.status_) + " " + reason_phrase(answer.status_) + "\r\n";
    for (const auto& [name, value] : answer.headers_) first += name + ": " + value + "\r\n";
    if (answer.framing_ == Answer::Framing::length) {
      first += "content-length: " + std::to_string(total) + "\r\n";
    } else if (answer.framing_ == Answer::Framing::chunked) {
      first += "transfer-encoding: chunked\r\n";
    }
    first += "\r\n";
  }
  const bool chunked = answer.framing_ == Answer::Framing::chunked;
  std::size_t left = answer.cut_at_.value_or(total);
  bool paused_once = false;
  for (const std::string& piece : answer.pieces_) {
    if (left == 0) break;
    const std::string_view part = std::string_view(piece).substr(0, left);
    left -= part.size();
    if (paused_once && answer.gap_.count() > 0 && !pause(transport, answer.gap_, request)) {
      return false;
    }
    paused_once = true;
    // A head and its first piece in one write, as servers do.
    const std::string framed = chunked && !part.empty() ? chunk(part) : std::string(part);
    if (!write(first + framed)) return false;
    first.clear();
  }
  if (!write(first)) return false;
  if (chunked && !answer.cut_at_ && answer.end_ == Answer::End::keep && !write("0\r\n\r\n")) {
    return false;
  }
  switch (answer.end_) {
    case Answer::End::keep:
      return true;
    case Answer::End::close:
      return false;
    case Answer::End::truncate:
      transport.arm_truncation();
      return false;
    case Answer::End::reset:
      transport.arm_reset();
      return false;
    case Answer::End::silent:
      return pause(transport, std::chrono::hours(1), request);
  }
  return false;
}

}  // namespace tollgate::testing
