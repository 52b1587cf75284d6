#pragma once

#include <atomic>
#include <boost/asio/ssl/context.hpp>
#include <boost/intrusive/list.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tollgate/net/acceptor.hpp"
#include "tollgate/net/dns_cache.hpp"
#include "tollgate/net/upstream_client.hpp"
#include "tollgate/net/upstream_pool.hpp"
#include "tollgate/net/worker.hpp"
#include "tollgate/pipeline/chain.hpp"
#include "tollgate/pipeline/runtime.hpp"
#include "tollgate/pipeline/services.hpp"
#include "tollgate/protocol/http/ip_address.hpp"
#include "tollgate/server/body_memory.hpp"
#include "tollgate/server/session.hpp"

namespace tollgate::server {

/// What sessions need to know of the listener that accepted them.
struct ListenerState {
  std::string name;
  bool proxy_protocol = false;
  bool tls = false;
  std::vector<protocol::http::Cidr> trusted_proxies;
  /// The TLS context in force; certificates change on reload.
  [[nodiscard]] std::shared_ptr<net::asio::ssl::context> tls_context() const {
    return std::atomic_load(&context_);
  }
  void set_tls_context(std::shared_ptr<net::asio::ssl::context> context) {
    std::atomic_store(&context_, std::move(context));
  }

 private:
  std::shared_ptr<net::asio::ssl::context> context_;
};

/// Connections open now, in all and per client address. Shared by all workers; one short mutex per
/// connection opened or closed, not per call.
///
/// A trusted proxy's own address is not counted: it stands for all its clients. With the PROXY
/// protocol the address it names is counted, once it is known.
class ConnectionLimiter {
 public:
  [[nodiscard]] bool try_enter(std::uint32_t limit);
  [[nodiscard]] bool try_enter_address(const protocol::http::IpAddress& address,
                                       std::uint32_t limit);
  void leave(const std::optional<protocol::http::IpAddress>& counted_address);

 private:
  struct AddressHash {
    std::size_t operator()(const protocol::http::IpAddress& address) const noexcept {
      return std::hash<std::string_view>{}(
          {reinterpret_cast<const char*>(address.bytes().data()), address.bytes().size()});
    }
  };
  std::mutex mutex_;
  std::uint32_t total_ = 0;
  std::unordered_map<protocol::http::IpAddress, std::uint32_t, AddressHash> by_address_;
};

/// Everything that lives on one worker: its loop, pools, chain, sessions and the runtime in force.
///
/// Lifetime: owned by the server; outlives its sessions. Threads: the worker's, except where said.
class WorkerHost {
 public:
  /// What is shared by all workers.
  struct Shared {
    const base::Clock& clock;
    domain::budget::Ledger& ledger;
    domain::budget::EventStreams& event_streams;
    store::AuditStore& store;
    domain::routing::RetryBudget& retry_budget;
    domain::loops::LoopBreaker& loops;
    pipeline::AlertSink& alerts;
    pipeline::AuthThrottle& throttle;
    std::atomic<std::int64_t>& in_flight;
    const telemetry::CoreSeries& series;
    telemetry::Registry& registry;
    net::DnsCache& dns;
    ConnectionLimiter& connections;
    BodyMemory& body_memory;
    std::function<std::unique_ptr<pipeline::Chain>(pipeline::Services&)> make_chain;
  };

  WorkerHost(unsigned index, const Shared& shared, pipeline::RuntimePtr runtime,
             std::shared_ptr<const net::TlsContexts> tls);
  ~WorkerHost();

  [[nodiscard]] net::Worker& worker() noexcept { return worker_; }
  [[nodiscard]] base::MonoTime now() const noexcept { return worker_.now(); }
  [[nodiscard]] base::MonoTime read_time() const noexcept { return worker_.read_time(); }
  [[nodiscard]] pipeline::RuntimePtr runtime() const noexcept { return runtime_; }
  [[nodiscard]] pipeline::Services& services() noexcept { return services_; }
  [[nodiscard]] pipeline::Chain& chain() noexcept { return *chain_; }
  [[nodiscard]] BodyMemory& body_memory() noexcept { return shared_.body_memory; }
  [[nodiscard]] const net::PoolCounters& pool_counters() const noexcept { return pool_.counters(); }

  /// Memory for one call, rather that of a call just over than that of one long ago: what a call
  /// needs is some 25 KB here and there, and a connection that waits for its next request should
  /// neither keep so much nor find it in no cache.
  [[nodiscard]] std::unique_ptr<pipeline::RequestContext> take_context();
  /// After RequestContext::end().
  void give_back(std::unique_ptr<pipeline::RequestContext> context);

  /// Counts a connection for the address its PROXY header named; false at the limit.
  [[nodiscard]] bool count_address(const protocol::http::IpAddress& address);
  /// Told to a connection over a limit, where that can be said in one write.
  static constexpr std::string_view kTooManyConnections =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
      "Content-Length: 0\r\n\r\n";

  /// Takes a connection on this worker's thread, or refuses it. False: it could not be watched, and
  /// is closed (Acceptor::OnAccept).
  bool accept(std::shared_ptr<const ListenerState> listener, net::Socket socket,
              const net::tcp::endpoint& peer);

  /// Any thread: calls begun after this use the new runtime.
  void set_runtime(pipeline::RuntimePtr runtime, std::shared_ptr<const net::TlsContexts> tls);
  /// Any thread: tell agents to go elsewhere with their next call (Connection: close).
  void announce_drain();
  [[nodiscard]] bool announcing_drain() const noexcept { return announcing_; }
  /// Any thread: close idle connections, let running calls finish and close after them.
  void drain();
  /// Any thread: end every call with an error its agent gets to read, and close what has none.
  void end_calls();
  /// Any thread: close every connection now.
  void force();
  /// Connections open on this worker. Any thread.
  [[nodiscard]] std::int64_t sessions() const noexcept {
    return session_count_.load(std::memory_order_acquire);
  }

 private:
  base::Task<void> run_session(std::unique_ptr<Session> session);

  const Shared shared_;
  net::Worker worker_;
  net::UpstreamPool pool_;
  net::UpstreamClient client_;
  pipeline::Services services_;
  pipeline::RuntimePtr runtime_;
  std::unique_ptr<pipeline::Chain> chain_;
  std::vector<std::unique_ptr<pipeline::RequestContext>> contexts_;  ///< of no call
  boost::intrusive::list<Session, boost::intrusive::constant_time_size<false>> sessions_;
  std::atomic<std::int64_t> session_count_{0};
  bool announcing_ = false;
  bool draining_ = false;
};

}  // namespace tollgate::server
