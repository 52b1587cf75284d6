#pragma once

#include <boost/asio/ip/address.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/net/worker.hpp"
#include "tollgate/pipeline/cancel.hpp"

namespace tollgate::net {

/// Host names to addresses, for all workers, without ever blocking one.
///
/// `getaddrinfo` cannot be cancelled, so it runs on a few threads of its own: one name server that
/// is silent holds up its own name and not the others, as long as fewer names than threads hang.
/// Answers are fresh for `ttl`. Older ones serve for `stale` more, at once, while the name is asked
/// again behind them: only a name never asked before, or forgotten, makes a call wait. A name that
/// does not resolve is not asked again for `negative_ttl`. Concurrent questions for one name are
/// asked once.
///
/// Bounds: names come from the configuration, so entries and questions are as many as upstreams.
/// Lifetime: the destructor waits for lookups that run. Threads: `resolve` from any worker.
class DnsCache {
 public:
  struct Options {
    std::chrono::milliseconds ttl{30'000};
    std::chrono::milliseconds stale{300'000};
    std::chrono::milliseconds negative_ttl{1'000};
    unsigned threads = 4;  ///< started as questions need them
  };
  using Addresses = std::vector<asio::ip::address>;
  /// Looks a name up; replaced in tests. Returns no address on failure, must not throw. Called on
  /// the DNS threads.
  using Lookup = std::function<Addresses(const std::string&)>;

  DnsCache(const base::Clock& clock, Options options, Lookup lookup = system_lookup);
  ~DnsCache();
  DnsCache(const DnsCache&) = delete;
  DnsCache& operator=(const DnsCache&) = delete;

  /// Awaits the addresses of `host`; empty when it does not resolve, when `deadline` passes first
  /// (the lookup goes on, for the next caller), or when `cancel` fires. An IP literal never waits.
  /// `worker` is the caller's own.
  base::Task<Addresses> resolve(Worker& worker, std::string host, base::Deadline deadline,
                                pipeline::CancelSignal& cancel);

  static Addresses system_lookup(const std::string& host);

 private:
  struct Entry {
    Addresses addresses;
    base::MonoTime fresh_until{};  ///< of an answer, or of a failure (addresses then stale or none)
    base::MonoTime usable_until{};  ///< of the last good answer
    bool pending = false;
  };
  /// One call's wait. Shared with the answer that is posted to its worker, which may come after the
  /// call has given up.
  struct Wait;
  class Awaiter;

  /// What is known now; asks behind it when that is not fresh. False: there is nothing to use yet,
  /// and `wait` will be told. Under the mutex.
  bool look(const std::string& host, Addresses& known, const std::shared_ptr<Wait>& wait);
  void forget(const std::string& host, const std::shared_ptr<Wait>& wait);
  /// False: there is no thread to ask on. Under the mutex.
  bool ask(const std::string& host, Entry& entry);
  void answer(const std::string& host, Addresses found);
  void run();

  const base::Clock& clock_;
  Options options_;
  Lookup lookup_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_multimap<std::string, std::shared_ptr<Wait>> waits_;
  std::deque<std::string> questions_;
  unsigned idle_threads_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tollgate::net
