#include "tollgate/net/dns_cache.hpp"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>

namespace tollgate::net {

/// Waits for the DNS thread's answer; resumed on the worker that asked.
class DnsCache::Awaiter {
 public:
  Awaiter(DnsCache& cache, Worker& worker, const std::string& host)
      : cache_(cache), worker_(worker), host_(host) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    const base::MonoTime now = cache_.clock_.mono();
    const std::lock_guard lock(cache_.mutex_);
    Entry& entry = cache_.entries_[host_];
    if (now < entry.fresh_until) {
      result_ = entry.addresses;
      return false;
    }
    if (!entry.pending) {
      entry.pending = true;
      cache_.questions_.push_back(host_);
      cache_.wake_.notify_one();
    }
    Waiter waiter{&worker_, [this, caller](std::vector<asio::ip::address> addresses) {
                    result_ = std::move(addresses);
                    caller.resume();
                  }};
    cache_.waiters_.emplace(host_, std::move(waiter));
    return true;
  }
  std::vector<asio::ip::address> await_resume() noexcept { return std::move(result_); }

 private:
  DnsCache& cache_;
  Worker& worker_;
  const std::string& host_;
  std::vector<asio::ip::address> result_;
};

DnsCache::DnsCache(const base::Clock& clock, Options options, Lookup lookup)
    : clock_(clock), options_(options), lookup_(std::move(lookup)), thread_([this] { run(); }) {}

DnsCache::~DnsCache() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

base::Task<std::vector<asio::ip::address>> DnsCache::resolve(Worker& worker, std::string host) {
  error_code not_literal;
  const auto literal = asio::ip::make_address(host, not_literal);
  std::vector<asio::ip::address> addresses;
  if (!not_literal) {
    addresses.push_back(literal);
    co_return addresses;
  }
  Awaiter awaiter(*this, worker, host);
  addresses = co_await awaiter;
  co_return addresses;
}

void DnsCache::run() {
  pthread_setname_np(pthread_self(), "dns");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !questions_.empty(); });
    if (stopping_) return;
    const std::string host = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    std::vector<asio::ip::address> found = lookup_(host);
    lock.lock();
    const base::MonoTime now = clock_.mono();
    Entry& entry = entries_[host];
    entry.pending = false;
    if (!found.empty()) {
      entry.addresses = std::move(found);
      entry.fresh_until = now + options_.ttl;
      entry.usable_until = entry.fresh_until + options_.stale;
    } else if (now >= entry.usable_until) {
      entry.addresses.clear();
      // A failing name is asked again at once by the next call, but not by every waiting one.
    }
    const auto [first, last] = waiters_.equal_range(host);
    for (auto it = first; it != last; ++it) {
      it->second.worker->post([deliver = std::move(it->second.deliver),
                               addresses = entry.addresses] { deliver(addresses); });
    }
    waiters_.erase(first, last);
  }
}

std::vector<asio::ip::address> DnsCache::system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  std::vector<asio::ip::address> addresses;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return addresses;
  for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
    tcp::endpoint endpoint;
    if (item->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), item->ai_addr, item->ai_addrlen);
    endpoint.resize(item->ai_addrlen);
    if (std::find(addresses.begin(), addresses.end(), endpoint.address()) == addresses.end())
      addresses.push_back(endpoint.address());
  }
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace tollgate::net
