#include "tollgate/server/worker_host.hpp"

#include "tollgate/base/digest.hpp"

namespace tollgate::server {
namespace {

protocol::http::IpAddress to_ip(const net::asio::ip::address& address) {
  return address.is_v4() ? protocol::http::IpAddress::v4(address.to_v4().to_bytes())
                         : protocol::http::IpAddress::v6(address.to_v6().to_bytes());
}

std::uint64_t random_seed() {
  std::array<std::uint8_t, 8> bytes{};
  base::random_bytes(bytes);
  std::uint64_t seed = 0;
  std::memcpy(&seed, bytes.data(), bytes.size());
  return seed;
}

}  // namespace

bool ConnectionLimiter::try_enter(std::uint32_t limit) {
  const std::lock_guard lock(mutex_);
  if (total_ >= limit) return false;
  ++total_;
  return true;
}

bool ConnectionLimiter::try_enter_address(const protocol::http::IpAddress& address,
                                          std::uint32_t limit) {
  const std::lock_guard lock(mutex_);
  std::uint32_t& mine = by_address_[address];
  if (mine >= limit) return false;
  ++mine;
  return true;
}

void ConnectionLimiter::leave(const std::optional<protocol::http::IpAddress>& counted_address) {
  const std::lock_guard lock(mutex_);
  --total_;
  if (!counted_address) return;
  const auto it = by_address_.find(*counted_address);
  if (it != by_address_.end() && --it->second == 0) by_address_.erase(it);
}

WorkerHost::WorkerHost(unsigned index, const Shared& shared, pipeline::RuntimePtr runtime,
                       std::shared_ptr<const net::TlsContexts> tls)
    : shared_(shared),
      worker_(index, shared.clock),
      pool_(worker_, shared.dns),
      client_(worker_, pool_),
      services_{shared.clock,
                shared.ledger,
                shared.event_streams,
                shared.store,
                shared.retry_budget,
                shared.loops,
                shared.alerts,
                shared.throttle,
                shared.in_flight,
                telemetry::WorkerMetrics(shared.series, shared.registry.lane(index)),
                client_,
                {},
                domain::routing::Rng(random_seed()),
                {}},
      runtime_(std::move(runtime)),
      chain_(shared.make_chain(services_)) {
  pool_.set_tls_contexts(std::move(tls));
}

WorkerHost::~WorkerHost() {
  worker_.join();
}

bool WorkerHost::accept(std::shared_ptr<const ListenerState> listener, net::Socket socket,
                        const net::tcp::endpoint& peer) {
  const config::Limits& limits = runtime_->snapshot->limits;
  const auto address = to_ip(peer.address());
  bool refused = draining_;
  if (!refused && !shared_.connections.try_enter(limits.connections)) {
    refused = true;
    services_.metrics.limit_hits(telemetry::LimitHit::connections).inc();
  }
  const bool counts = !refused && !contains(listener->trusted_proxies, address);
  if (counts && !count_address(address)) {
    refused = true;
    shared_.connections.leave(std::nullopt);
  }
  if (refused) {
    if (!listener->tls) {
      // Best effort, one write: told why is better than a reset.
      iovec why{const_cast<char*>(kTooManyConnections.data()), kTooManyConnections.size()};
      net::error_code ignored;
      socket.send({&why, 1}, ignored);
    }
    return true;
  }
  net::ChannelPtr channel(new net::Channel(worker_.loop(), net::Cohort::agents, std::move(socket)));
  if (channel->closed()) {
    shared_.connections.leave(counts ? std::optional(address) : std::nullopt);
    return false;
  }
  worker_.track(*channel);
  auto session =
      std::make_unique<Session>(*this, std::move(listener), std::move(channel), address, counts);
  sessions_.push_back(*session);
  session_count_.fetch_add(1, std::memory_order_acq_rel);
  services_.metrics.connections_accepted().inc();
  services_.metrics.connections().inc();
  base::spawn("session", run_session(std::move(session)));
  return true;
}

std::unique_ptr<pipeline::RequestContext> WorkerHost::take_context() {
  if (contexts_.empty()) return std::make_unique<pipeline::RequestContext>();
  auto context = std::move(contexts_.back());
  contexts_.pop_back();
  return context;
}

void WorkerHost::give_back(std::unique_ptr<pipeline::RequestContext> context) {
  constexpr std::size_t kMost = 256;
  if (contexts_.size() < kMost) contexts_.push_back(std::move(context));
}

bool WorkerHost::count_address(const protocol::http::IpAddress& address) {
  const std::uint32_t limit = runtime_->snapshot->limits.connections_per_ip;
  if (shared_.connections.try_enter_address(address, limit)) return true;
  services_.metrics.limit_hits(telemetry::LimitHit::connections_per_ip).inc();
  return false;
}

base::Task<void> WorkerHost::run_session(std::unique_ptr<Session> session) {
  std::exception_ptr failure;
  try {
    co_await session->run();
  } catch (...) {
    failure = std::current_exception();
  }
  const auto counted_address = session->counted_address();
  session.reset();
  shared_.connections.leave(counted_address);
  services_.metrics.connections().dec();
  session_count_.fetch_sub(1, std::memory_order_acq_rel);
  if (failure) std::rethrow_exception(failure);
}

void WorkerHost::set_runtime(pipeline::RuntimePtr runtime,
                             std::shared_ptr<const net::TlsContexts> tls) {
  worker_.post([this, runtime = std::move(runtime), tls = std::move(tls)]() mutable {
    runtime_ = std::move(runtime);
    pool_.set_tls_contexts(std::move(tls));
  });
}

void WorkerHost::announce_drain() {
  worker_.post([this] { announcing_ = true; });
}

void WorkerHost::drain() {
  worker_.post([this] {
    draining_ = true;
    for (Session& session : sessions_) session.close_when_idle();
    pool_.close_idle();
  });
}

void WorkerHost::end_calls() {
  worker_.post([this] {
    draining_ = true;
    for (Session& session : sessions_) session.force_end();
  });
}

void WorkerHost::force() {
  worker_.post([this] {
    draining_ = true;
    for (Session& session : sessions_) session.force_close();
    pool_.close_idle();
  });
}

}  // namespace tollgate::server
