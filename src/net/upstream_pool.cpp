#include "tollgate/net/upstream_pool.hpp"

#include <fmt/format.h>

#include "tollgate/base/strings.hpp"

namespace tollgate::net {

using pipeline::CancelSignal;
using pipeline::TransportFailure;

struct UpstreamPool::OriginPool final : ChannelWatcher {
  struct Idle {
    ChannelPtr channel;
    base::MonoTime since;
  };
  explicit OriginPool(UpstreamPool& pool) : owner(pool) {}

  // An idle connection that closes or speaks unasked is of no use any more.
  void on_peer_closed(Channel& channel) override { forget(channel); }
  void on_unsolicited_input(Channel& channel) override { forget(channel); }

  void forget(Channel& channel) {
    for (auto it = idle.begin(); it != idle.end(); ++it) {
      if (it->channel.get() != &channel) continue;
      const ChannelPtr keep = std::move(it->channel);
      idle.erase(it);
      owner.counters_.idle.fetch_sub(1, std::memory_order_relaxed);
      keep->unwatch();
      keep->close();
      --total;
      wake_one();
      return;
    }
  }
  void wake_one();
  /// A busy connection is no more.
  void leave() {
    owner.counters_.busy.fetch_sub(1, std::memory_order_relaxed);
    --total;
    wake_one();
  }

  UpstreamPool& owner;
  std::uint32_t max_total = 0, max_idle = 0;
  std::chrono::milliseconds idle_timeout{0};
  std::uint32_t total = 0;
  // Front = oldest; taken from the back, so that a quiet pool shrinks. A vector: a deque allocates
  // and frees a block each time the pool breathes over its edge.
  std::vector<Idle> idle;
  std::deque<SlotAwaiter*> waiters;
  std::uint32_t granted = 0;  ///< slots promised to waiters that have not resumed yet

  /// Connections that may be taken or made now, beyond those promised.
  [[nodiscard]] bool has_room() const noexcept {
    return (total < max_total ? max_total - total : 0u) + idle.size() > granted;
  }
};

/// Waits in line for a connection slot of an origin at its limit.
class UpstreamPool::SlotAwaiter final : public pipeline::CancelSlot {
 public:
  SlotAwaiter(Worker& worker, OriginPool& pool, base::Deadline deadline, CancelSignal& cancel)
      : pool_(pool), timer_(worker.loop()), deadline_(deadline), cancel_(cancel) {}
  [[nodiscard]] bool await_ready() const noexcept { return cancel_.cancelled(); }
  void await_suspend(std::coroutine_handle<> caller) {
    pool_.waiters.push_back(this);
    pool_.owner.counters_.waiting.fetch_add(1, std::memory_order_relaxed);
    queued_ = true;
    timer_.start(deadline_.at(), [caller] { caller.resume(); });
    cancel_.attach(this);
  }
  /// True when a slot was given to this waiter.
  bool await_resume() noexcept {
    cancel_.detach();
    if (queued_) {
      if (!granted_) std::erase(pool_.waiters, this);
      pool_.owner.counters_.waiting.fetch_sub(1, std::memory_order_relaxed);
    }
    return granted_;
  }
  void on_cancel() noexcept override { timer_.hurry(); }
  void grant() noexcept {
    granted_ = true;
    timer_.hurry();
  }

 private:
  OriginPool& pool_;
  Loop::Timer timer_;
  base::Deadline deadline_;
  CancelSignal& cancel_;
  bool queued_ = false;
  bool granted_ = false;
};

void UpstreamPool::OriginPool::wake_one() {
  // The slot is promised to the waiter at once, so that a newcomer cannot overtake it.
  if (waiters.empty() || !has_room()) return;
  SlotAwaiter* const next = waiters.front();
  waiters.pop_front();
  ++granted;
  next->grant();
}

/// The place in its pool of a connection that is being made: given back unless passed on to a
/// lease, also when something throws.
class UpstreamPool::Slot {
 public:
  explicit Slot(OriginPool& pool) noexcept : pool_(&pool) {
    ++pool.total;
    pool.owner.counters_.busy.fetch_add(1, std::memory_order_relaxed);
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    if (pool_ != nullptr) pool_->leave();
  }
  void pass_on() noexcept { pool_ = nullptr; }

 private:
  OriginPool* pool_;
};

// ---- lease ----

UpstreamPool::Lease& UpstreamPool::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    drop();
    pool_ = std::exchange(other.pool_, nullptr);
    channel_ = std::move(other.channel_);
    reused_ = other.reused_;
  }
  return *this;
}

void UpstreamPool::Lease::release() {
  if (!channel_) return;
  OriginPool& pool = *pool_;
  Channel& channel = *channel_;
  if (channel.failed() || !channel.buffered().empty() || pool.idle.size() >= pool.max_idle) {
    drop();
    return;
  }
  channel.unpin();
  channel.set_read_deadline(base::Deadline::never());
  channel.set_write_limit(base::Deadline::never());
  pool.owner.counters_.busy.fetch_sub(1, std::memory_order_relaxed);
  pool.owner.counters_.idle.fetch_add(1, std::memory_order_relaxed);
  pool.idle.push_back({channel_, pool.owner.worker_.read_time()});
  const ChannelPtr keep = std::move(channel_);
  pool_ = nullptr;
  if (!pool.waiters.empty()) pool.wake_one();
  keep->watch(&pool);
}

void UpstreamPool::Lease::drop() {
  if (!channel_) return;
  channel_->unwatch();
  channel_->close();
  channel_ = nullptr;
  std::exchange(pool_, nullptr)->leave();
}

// ---- pool ----

UpstreamPool::UpstreamPool(Worker& worker, DnsCache& dns) : worker_(worker), dns_(dns) {
  worker_.on_sweep([this](base::MonoTime now) { trim(now); });
}

UpstreamPool::~UpstreamPool() = default;

UpstreamPool::OriginPool& UpstreamPool::pool_for(const config::Origin& origin) {
  auto it = pools_.find(origin.pool_key);
  if (it == pools_.end())
    it = pools_.emplace(origin.pool_key, std::make_unique<OriginPool>(*this)).first;
  OriginPool& pool = *it->second;
  pool.max_total = origin.max_connections;
  pool.max_idle = origin.max_idle;
  pool.idle_timeout = origin.idle_timeout;
  return pool;
}

UpstreamPool::Lease UpstreamPool::pop_idle(OriginPool& pool) {
  while (!pool.idle.empty()) {
    ChannelPtr channel = std::move(pool.idle.back().channel);
    pool.idle.pop_back();
    counters_.idle.fetch_sub(1, std::memory_order_relaxed);
    channel->unwatch();
    // What it read in this turn it has not told yet: its end, or bytes nobody asked for, which must
    // not be taken for the answer to a request that is not out yet.
    if (channel->failed() || channel->has_news()) {
      channel->close();
      --pool.total;
      continue;
    }
    counters_.busy.fetch_add(1, std::memory_order_relaxed);
    counters_.reuses.fetch_add(1, std::memory_order_relaxed);
    return {&pool, std::move(channel), true};
  }
  return {};
}

UpstreamPool::Lease UpstreamPool::take_idle(const config::Origin& origin,
                                            const CancelSignal& cancel) {
  OriginPool& pool = pool_for(origin);
  return pool.has_room() && !cancel.cancelled() ? pop_idle(pool) : Lease();
}

base::Task<UpstreamPool::AcquireResult> UpstreamPool::acquire(const config::Origin& origin,
                                                              const pipeline::WireRequest& request,
                                                              bool allow_reuse,
                                                              CancelSignal& cancel) {
  OriginPool& pool = pool_for(origin);
  AcquireResult result;
  const base::Deadline give_up =
      base::Deadline::after(worker_.now(), request.pool_wait).earlier(request.deadline);
  bool promised = false;
  for (;;) {
    const bool may_take = promised || pool.has_room();
    if (std::exchange(promised, false)) --pool.granted;
    if (cancel.cancelled()) {
      pool.wake_one();
      result.failure = TransportFailure::cancelled;
      co_return result;
    }
    if (may_take && allow_reuse) {
      result.lease = pop_idle(pool);
      if (result.lease.valid()) co_return result;
    }
    if (may_take && pool.total < pool.max_total) break;
    if (may_take && !pool.idle.empty()) {
      // A new connection is asked for and only old ones stand in the way: the oldest makes room.
      pool.forget(*pool.idle.front().channel);
      continue;
    }
    SlotAwaiter slot(worker_, pool, give_up, cancel);
    promised = co_await slot;
    if (!promised) {
      result.failure =
          cancel.cancelled() ? TransportFailure::cancelled : TransportFailure::pool_exhausted;
      co_return result;
    }
  }
  Slot slot(pool);
  counters_.connects.fetch_add(1, std::memory_order_relaxed);
  result = co_await connect(origin, pool, request, cancel);
  if (result.lease.valid()) slot.pass_on();
  co_return result;
}

namespace {

/// Closes a channel when its call is cancelled while it is being set up.
class CloseOnCancel final : public pipeline::CancelSlot {
 public:
  CloseOnCancel(Channel& channel, CancelSignal& cancel) : channel_(channel), cancel_(cancel) {
    cancel_.attach(this);
  }
  ~CloseOnCancel() override { cancel_.detach(); }
  CloseOnCancel(const CloseOnCancel&) = delete;
  CloseOnCancel& operator=(const CloseOnCancel&) = delete;
  void on_cancel() noexcept override { channel_.close(); }

 private:
  Channel& channel_;
  CancelSignal& cancel_;
};

struct HostPort {
  std::string host;
  std::uint16_t port;
};

/// "http://host:port" of an egress proxy (validated by the configuration).
HostPort parse_proxy(std::string_view url) {
  if (url.starts_with("http://")) url.remove_prefix(7);
  const std::size_t colon = url.rfind(':');
  const auto port =
      colon == std::string_view::npos ? std::nullopt : base::parse_u64(url.substr(colon + 1));
  return {std::string(url.substr(0, colon)), static_cast<std::uint16_t>(port.value_or(3128))};
}

}  // namespace

base::Task<UpstreamPool::AcquireResult> UpstreamPool::connect(const config::Origin& origin,
                                                              OriginPool& pool,
                                                              const pipeline::WireRequest& request,
                                                              CancelSignal& cancel) {
  AcquireResult result;
  std::string host = origin.host;
  std::uint16_t port = origin.port;
  if (!origin.proxy.empty()) {
    HostPort proxy = parse_proxy(origin.proxy);
    host = std::move(proxy.host);
    port = proxy.port;
  }
  const base::Deadline dns_deadline =
      base::Deadline::after(worker_.now(), request.connect_timeout).earlier(request.deadline);
  const auto addresses = co_await dns_.resolve(worker_, std::move(host), dns_deadline, cancel);
  if (addresses.empty()) {
    result.failure = cancel.cancelled() ? TransportFailure::cancelled : TransportFailure::dns;
    co_return result;
  }
  result.failure = TransportFailure::connect;
  ChannelPtr channel;
  for (const asio::ip::address& address : addresses) {
    if (cancel.cancelled() || request.deadline.passed(worker_.now())) break;
    channel = ChannelPtr(new Channel(worker_.loop(), Cohort::upstreams));
    worker_.track(*channel);
    channel->set_write_timeout(request.write_timeout);
    channel->set_read_deadline(
        base::Deadline::after(worker_.now(), request.connect_timeout).earlier(request.deadline));
    const CloseOnCancel guard(*channel, cancel);
    const tcp::endpoint peer(address, port);
    const error_code error = co_await channel->connect(peer);
    if (!error) {
      result.failure = TransportFailure::none;
      break;
    }
    channel->close();
  }
  if (result.failure == TransportFailure::none && origin.scheme == "https") {
    const CloseOnCancel guard(*channel, cancel);
    channel->set_read_deadline(
        base::Deadline::after(worker_.now(), request.tls_timeout).earlier(request.deadline));
    if (!origin.proxy.empty()) result.failure = co_await tunnel(*channel, origin);
    const auto context = tls_ ? tls_->find(origin.pool_key) : TlsContexts::const_iterator{};
    if (!tls_ || context == tls_->end()) {
      result.failure = TransportFailure::tls;
    } else if (result.failure == TransportFailure::none) {
      const std::shared_ptr<asio::ssl::context> keep = context->second;
      const error_code error =
          co_await channel->handshake(*keep, false, origin.host.c_str(), origin.tls.verify);
      if (error) result.failure = TransportFailure::tls;
    }
  }
  if (cancel.cancelled()) result.failure = TransportFailure::cancelled;
  if (result.failure != TransportFailure::none) {
    if (channel) channel->close();
    co_return result;
  }
  channel->set_read_deadline(base::Deadline::never());
  result.lease = Lease(&pool, std::move(channel), false);
  co_return result;
}

base::Task<TransportFailure> UpstreamPool::tunnel(Channel& channel, const config::Origin& origin) {
  const bool is_v6 = origin.host.find(':') != std::string::npos;
  const std::string authority =
      fmt::format("{}{}{}:{}", is_v6 ? "[" : "", origin.host, is_v6 ? "]" : "", origin.port);
  std::string ask = fmt::format("CONNECT {} HTTP/1.1\r\nHost: {}\r\n", authority, authority);
  if (!origin.proxy_authorization.empty())
    ask += fmt::format("Proxy-Authorization: {}\r\n", origin.proxy_authorization.reveal());
  ask += "\r\n";
  const IoResult sent = co_await channel.write(ask);
  if (sent.error) co_return TransportFailure::connect;
  constexpr std::size_t kMaxAnswer = 16 * 1024;
  for (;;) {
    const std::string_view have = channel.buffered();
    const std::size_t end = have.find("\r\n\r\n");
    if (end != std::string_view::npos) {
      const bool ok = have.size() > 12 && have.starts_with("HTTP/1.") && have.substr(8, 2) == " 2";
      channel.consume(end + 4);
      co_return ok&& channel.buffered().empty() ? TransportFailure::none
                                                : TransportFailure::connect;
    }
    const IoResult got = co_await channel.fill(kMaxAnswer);
    if (got.error) co_return TransportFailure::connect;
  }
}

void UpstreamPool::trim(base::MonoTime now) {
  for (auto& [key, pool] : pools_) {
    while (!pool->idle.empty() && now - pool->idle.front().since >= pool->idle_timeout)
      pool->forget(*pool->idle.front().channel);
  }
}

void UpstreamPool::close_idle() {
  for (auto& [key, pool] : pools_)
    while (!pool->idle.empty()) pool->forget(*pool->idle.front().channel);
}

}  // namespace tollgate::net
