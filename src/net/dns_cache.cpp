#include "tollgate/net/dns_cache.hpp"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>
#include <system_error>

namespace tollgate::net {

/// Only the worker's thread touches it, but for `worker`, which is set before others see it.
struct DnsCache::Wait {
  explicit Wait(Worker& asking) : worker(asking) {}
  Worker& worker;
  Awaiter* awaiter = nullptr;  ///< null once the call waits no longer
};

/// Waits for an answer, the deadline or the end of the call, whichever is first. The timer is what
/// resumes; the other two make it fire.
class DnsCache::Awaiter final : public pipeline::CancelSlot {
 public:
  Awaiter(DnsCache& cache, std::shared_ptr<Wait> wait, const std::string& host,
          base::Deadline deadline, pipeline::CancelSignal& cancel)
      : cache_(cache),
        wait_(std::move(wait)),
        host_(host),
        timer_(wait_->worker.loop()),
        deadline_(deadline),
        cancel_(cancel) {
    wait_->awaiter = this;
  }
  ~Awaiter() override {
    wait_->awaiter = nullptr;
    // The worker may end before the lookup does: nothing may be posted to it from now on.
    if (waited_ && !delivered_) cache_.forget(host_, wait_);
  }
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    timer_.start(deadline_.at(), [caller] { caller.resume(); });
    waited_ = true;
    cancel_.attach(this);
  }
  Addresses await_resume() noexcept {
    if (waited_) cancel_.detach();
    return std::move(result_);
  }
  void on_cancel() noexcept override { timer_.hurry(); }
  void deliver(const Addresses& addresses) {
    delivered_ = true;
    result_ = addresses;
    timer_.hurry();
  }

 private:
  DnsCache& cache_;
  std::shared_ptr<Wait> wait_;
  const std::string& host_;
  Loop::Timer timer_;
  base::Deadline deadline_;
  pipeline::CancelSignal& cancel_;
  bool waited_ = false;
  bool delivered_ = false;
  Addresses result_;
};

DnsCache::DnsCache(const base::Clock& clock, Options options, Lookup lookup)
    : clock_(clock), options_(options), lookup_(std::move(lookup)) {}

DnsCache::~DnsCache() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

base::Task<DnsCache::Addresses> DnsCache::resolve(Worker& worker, std::string host,
                                                  base::Deadline deadline,
                                                  pipeline::CancelSignal& cancel) {
  error_code not_literal;
  const auto literal = asio::ip::make_address(host, not_literal);
  Addresses addresses;
  if (!not_literal) {
    addresses.push_back(literal);
    co_return addresses;
  }
  const auto wait = std::make_shared<Wait>(worker);
  // There before anybody can answer; the answer is posted to this thread, so it comes later.
  Awaiter awaiter(*this, wait, host, deadline, cancel);
  if (cancel.cancelled() || look(host, addresses, wait)) co_return addresses;
  addresses = co_await awaiter;
  co_return addresses;
}

bool DnsCache::look(const std::string& host, Addresses& known, const std::shared_ptr<Wait>& wait) {
  const base::MonoTime now = clock_.mono();
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[host];
  const bool fresh = now < entry.fresh_until;
  if (now >= entry.usable_until) entry.addresses.clear();
  bool is_answered = fresh;
  if (!fresh && !entry.pending && !ask(host, entry)) {
    entry.fresh_until = now + options_.negative_ttl;
    is_answered = true;
  }
  if (is_answered || !entry.addresses.empty()) {
    known = entry.addresses;
    return true;
  }
  waits_.emplace(host, wait);
  return false;
}

void DnsCache::forget(const std::string& host, const std::shared_ptr<Wait>& wait) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = waits_.equal_range(host);
  for (auto it = first; it != last; ++it) {
    if (it->second != wait) continue;
    waits_.erase(it);
    return;
  }
}

bool DnsCache::ask(const std::string& host, Entry& entry) {
  const unsigned most = std::max(1u, options_.threads);
  // The thread before the question: where none can be had and none runs yet, nobody would answer
  // it, and as it were pending the name would never be asked again.
  if (idle_threads_ <= questions_.size() && threads_.size() < most) {
    threads_.reserve(most);
    try {
      threads_.emplace_back([this] { run(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) return false;
    }
  }
  questions_.push_back(host);
  entry.pending = true;
  wake_.notify_one();
  return true;
}

void DnsCache::answer(const std::string& host, Addresses found) {
  const base::MonoTime now = clock_.mono();
  Entry& entry = entries_[host];
  entry.pending = false;
  if (!found.empty()) {
    entry.addresses = std::move(found);
    entry.fresh_until = now + options_.ttl;
    entry.usable_until = entry.fresh_until + options_.stale;
  } else {
    entry.fresh_until = now + options_.negative_ttl;
    if (now >= entry.usable_until) entry.addresses.clear();
  }
  const auto [first, last] = waits_.equal_range(host);
  for (auto it = first; it != last; ++it) {
    Worker& worker = it->second->worker;
    worker.post([wait = std::move(it->second), addresses = entry.addresses] {
      if (wait->awaiter != nullptr) wait->awaiter->deliver(addresses);
    });
  }
  waits_.erase(first, last);
}

void DnsCache::run() {
  pthread_setname_np(pthread_self(), "dns");
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_threads_;
    wake_.wait(lock, [this] { return stopping_ || !questions_.empty(); });
    --idle_threads_;
    if (stopping_) return;
    const std::string host = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    Addresses found = lookup_(host);
    lock.lock();
    answer(host, std::move(found));
  }
}

DnsCache::Addresses DnsCache::system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  Addresses addresses;
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
