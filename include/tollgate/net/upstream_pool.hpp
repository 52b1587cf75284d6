#pragma once

#include <atomic>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/net/channel.hpp"
#include "tollgate/net/dns_cache.hpp"
#include "tollgate/net/worker.hpp"
#include "tollgate/pipeline/cancel.hpp"
#include "tollgate/pipeline/exchange.hpp"

namespace tollgate::net {

/// TLS settings towards upstreams, by origin pool key; built off the loop, since reading CA bundles
/// blocks. Immutable; replaced whole on reload.
using TlsContexts = std::map<std::string, std::shared_ptr<asio::ssl::context>, std::less<>>;

/// Counts of one worker's pools, read by the admin thread.
struct PoolCounters {
  std::atomic<std::int64_t> idle{0};
  std::atomic<std::int64_t> busy{0};
  std::atomic<std::int64_t> waiting{0};
  std::atomic<std::int64_t> connects{0};
  std::atomic<std::int64_t> reuses{0};
  std::atomic<std::int64_t> head_overruns{0};  ///< answers over limits.upstream_header_bytes
};

/// Kept-alive connections to upstreams, per worker and origin, with limits on idle and total.
///
/// Survives reloads: an origin is known by its pool_key. An idle connection keeps a read
/// outstanding, so one that the upstream closes leaves the pool at once. Threads: the worker's,
/// except counters().
class UpstreamPool {
  struct OriginPool;

 public:
  /// Sole use of one connection. Destroyed without `release`, it closes the connection.
  class Lease {
   public:
    Lease() = default;
    Lease(OriginPool* pool, ChannelPtr channel, bool reused)
        : pool_(pool), channel_(std::move(channel)), reused_(reused) {}
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          channel_(std::move(other.channel_)),
          reused_(other.reused_) {}
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { drop(); }
    [[nodiscard]] Channel& channel() noexcept { return *channel_; }
    [[nodiscard]] bool valid() const noexcept { return channel_ != nullptr; }
    [[nodiscard]] bool reused() const noexcept { return reused_; }
    /// The exchange ended cleanly: the connection may serve another.
    void release();
    void drop();

   private:
    OriginPool* pool_ = nullptr;
    ChannelPtr channel_;
    bool reused_ = false;
  };

  class AcquireResult {
   public:
    AcquireResult() = default;
    Lease lease;
    pipeline::TransportFailure failure = pipeline::TransportFailure::none;
  };

  UpstreamPool(Worker& worker, DnsCache& dns);
  ~UpstreamPool();

  void set_tls_contexts(std::shared_ptr<const TlsContexts> contexts) { tls_ = std::move(contexts); }

  /// An idle connection, if one may be taken now without overtaking those who wait; else an invalid
  /// lease, and acquire() is to be awaited. The usual case, and it needs no coroutine.
  [[nodiscard]] Lease take_idle(const config::Origin& origin, const pipeline::CancelSignal& cancel);
  /// Awaits an idle connection or makes one. `allow_reuse` false forces a new one (after a stale
  /// one).
  base::Task<AcquireResult> acquire(const config::Origin& origin,
                                    const pipeline::WireRequest& request, bool allow_reuse,
                                    pipeline::CancelSignal& cancel);

  /// Closes everything idle; leases in use close when they end.
  void close_idle();
  [[nodiscard]] const PoolCounters& counters() const noexcept { return counters_; }
  /// An answer's head was over limits.upstream_header_bytes.
  void note_head_overrun() noexcept {
    counters_.head_overruns.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  class SlotAwaiter;
  class Slot;
  base::Task<AcquireResult> connect(const config::Origin& origin, OriginPool& pool,
                                    const pipeline::WireRequest& request,
                                    pipeline::CancelSignal& cancel);
  base::Task<pipeline::TransportFailure> tunnel(Channel& channel, const config::Origin& origin);
  void trim(base::MonoTime now);
  [[nodiscard]] Lease pop_idle(OriginPool& pool);
  OriginPool& pool_for(const config::Origin& origin);

  Worker& worker_;
  DnsCache& dns_;
  std::shared_ptr<const TlsContexts> tls_;
  std::map<std::string, std::unique_ptr<OriginPool>, std::less<>> pools_;
  PoolCounters counters_;
};

/// Builds the client context of one TLS profile. Throws std::runtime_error naming the file at
/// fault.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_client_context(
    const config::UpstreamTls& profile);
/// Builds the server context of a listener: TLS 1.2 (AEAD, ECDHE) and 1.3, ALPN http/1.1.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_server_context(
    const config::TlsServer& profile);

}  // namespace tollgate::net
