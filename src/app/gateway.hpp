#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/alerts.hpp"
#include "app/auth_throttle.hpp"
#include "app/ledger_journal.hpp"
#include "tollgate/admin/http_service.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/net/acceptor.hpp"
#include "tollgate/server/worker_host.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_store.hpp"

namespace tollgate::app {

/// The running daemon: everything that lives once per process, wired together.
///
/// Order of construction is the order of dependence; destruction is its reverse. Threads: start
/// and stop from the main thread, `reload` from any, as the admin handlers do.
class Gateway {
 public:
  /// Loads, opens and binds; nothing runs yet. Throws std::runtime_error with one line per problem.
  explicit Gateway(std::string config_path);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Starts threads and begins to accept.
  void start();
  /// Reads the configuration again, on a thread of its own: patterns can take minutes to compile,
  /// and meanwhile signals, revocations and probes must be heard. A bad configuration changes
  /// nothing. The result is an empty string or what is wrong. A call during a reload asks for
  /// another one behind it. Any thread, until stop().
  std::shared_future<std::string> reload();
  /// A reload that stop() has overtaken may still run, and cannot be interrupted: until it ends,
  /// the gateway cannot be destroyed.
  [[nodiscard]] bool is_reloading();
  /// What a stop came to.
  struct Stopped {
    bool clean = false;  ///< every call ended by itself, and all there is to record is on record
    std::string lost;    ///< why audit rows could not be written at the end; empty: all were
    std::uint64_t lost_records = 0;             ///< how many calls are therefore not on record
    std::vector<std::string> lost_revocations;  ///< ids of keys that a restart would let in again
  };
  /// Not ready, stop accepting, wait for running calls until the drain deadline, flush. `forced`
  /// is asked now and then whether to give up waiting.
  Stopped stop(const std::function<bool()>& forced);

 private:
  friend class AdminRoutes;

  void open_store();
  void open_listeners();
  void register_metrics();
  void register_loop_metrics();
  [[nodiscard]] pipeline::RuntimePtr build_runtime(const config::SnapshotPtr& snapshot,
                                                   pipeline::Runtime::PolicyPtr policy);
  [[nodiscard]] std::shared_ptr<const net::TlsContexts> build_tls(const config::Snapshot& snapshot);
  /// What calls run under now.
  struct InForce {
    config::SnapshotPtr snapshot;
    pipeline::RuntimePtr runtime;
    std::shared_ptr<const net::TlsContexts> tls;
  };
  /// Never waits for a change under way. Any thread.
  [[nodiscard]] InForce in_force();
  /// Under change_mutex_.
  void install(InForce next);
  void run_reloads();
  std::string reload_now();
  /// After a key was made or revoked: the same configuration, a new registry.
  std::string refresh_keys();
  /// Throws std::runtime_error when they cannot be read.
  [[nodiscard]] std::vector<config::Key> stored_keys();
  /// Waits until every worker has handed over the records of the calls it had settled; false when
  /// one did not come to that in time. Not on a worker's thread.
  [[nodiscard]] bool quiesce();

  std::string config_path_;
  base::SystemClock clock_;
  config::SnapshotPtr snapshot_;  ///< in force; see in_force_mutex_
  std::unique_ptr<telemetry::Registry> registry_;
  std::unique_ptr<telemetry::CoreSeries> series_;
  std::unique_ptr<LedgerJournal> journal_;
  std::unique_ptr<domain::budget::Ledger> ledger_;
  domain::budget::EventStreams event_streams_;
  domain::keys::Revocations revocations_;
  domain::routing::CooldownTable cooldowns_;
  domain::routing::RetryBudget retry_budget_;
  std::unique_ptr<domain::loops::LoopBreaker> loops_;
  std::unique_ptr<store::AuditStore> store_;
  std::unique_ptr<net::DnsCache> dns_;
  std::unique_ptr<Alerts> alerts_;
  AuthThrottle throttle_;
  server::ConnectionLimiter connections_;
  server::BodyMemory body_memory_;
  std::atomic<std::int64_t> in_flight_{0};
  std::vector<std::unique_ptr<server::WorkerHost>> workers_;
  std::vector<std::shared_ptr<server::ListenerState>> listener_states_;
  std::vector<std::unique_ptr<net::Acceptor>> acceptors_;
  std::unique_ptr<admin::HttpService> admin_;
  std::unique_ptr<admin::HttpService> control_;
  std::mutex
      change_mutex_;  ///< one change at a time, none once the gateway stops; not held for long
  /// Of snapshot_, runtime_ and tls_, for a copy or an exchange of the pointers. Inside
  /// change_mutex_.
  std::mutex in_force_mutex_;
  pipeline::RuntimePtr runtime_;
  std::shared_ptr<const net::TlsContexts> tls_;
  std::mutex reloader_mutex_;  ///< of the three below
  std::thread reloader_;
  bool is_reloading_ = false;
  std::vector<std::promise<std::string>> asked_;  ///< for a reload that has not begun
  std::atomic<bool> ready_{false};
  std::atomic<bool> draining_{false};
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace tollgate::app
