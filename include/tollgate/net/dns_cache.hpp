#pragma once

#include <boost/asio/ip/address.hpp>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/net/worker.hpp"

namespace tollgate::net {

/// Host names to addresses, for all workers, without ever blocking one.
///
/// `getaddrinfo` cannot be cancelled, so it runs on a thread of its own. Answers are kept for
/// `ttl`; when a name stops resolving, the last good answer is used for `stale` longer. Concurrent
/// questions for one name are asked once.
class DnsCache {
 public:
  struct Options {
    std::chrono::milliseconds ttl{30'000};
    std::chrono::milliseconds stale{300'000};
  };
  /// Looks a name up; replaced in tests. Returns no address on failure. Called on the DNS thread.
  using Lookup = std::function<std::vector<asio::ip::address>(const std::string&)>;

  DnsCache(const base::Clock& clock, Options options, Lookup lookup = system_lookup);
  ~DnsCache();
  DnsCache(const DnsCache&) = delete;
  DnsCache& operator=(const DnsCache&) = delete;

  /// Awaits the addresses of `host`; empty when it does not resolve. An IP literal never waits.
  base::Task<std::vector<asio::ip::address>> resolve(Worker& worker, std::string host);

  static std::vector<asio::ip::address> system_lookup(const std::string& host);

 private:
  struct Entry {
    std::vector<asio::ip::address> addresses;
    base::MonoTime fresh_until;
    base::MonoTime usable_until;
    bool pending = false;
  };
  struct Waiter {
    Worker* worker;
    std::function<void(std::vector<asio::ip::address>)> deliver;
  };
  class Awaiter;
  void run();

  const base::Clock& clock_;
  Options options_;
  Lookup lookup_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_multimap<std::string, Waiter> waiters_;
  std::deque<std::string> questions_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tollgate::net
