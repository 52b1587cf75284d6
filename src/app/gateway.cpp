#include "app/gateway.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "app/admin_routes.hpp"
#include "app/config_checks.hpp"
#include "app/default_chain.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/pipeline/route.hpp"
#include "tollgate/store/spend_on_record.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {
namespace {

using telemetry::Family;

config::SnapshotPtr load_or_throw(const std::string& path, std::uint64_t generation,
                                  const config::Snapshot* running) {
  config::LoadOptions options;
  options.generation = generation;
  options.further_checks = [running](const config::Snapshot& next) {
    return serving_problems(next, running);
  };
  auto loaded = config::load_file(path, config::SystemEnv(), options);
  for (const auto& warning : loaded.warnings)
    telemetry::log::warn("config_warning", {{"message", to_string(warning)}});
  if (loaded.ok()) return loaded.snapshot;
  std::string text;
  for (const auto& problem : loaded.problems)
    text += (text.empty() ? "" : "\n") + to_string(problem);
  throw std::runtime_error(text);
}

/// One log line for each line of `text`: a configuration's problems come as one text.
void log_failure(std::string_view event, std::string_view text) {
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    telemetry::log::error(event, {{"message", text.substr(at, end - at)}});
    at = end + 1;
  }
}

unsigned worker_count(const config::Snapshot& snapshot) {
  if (snapshot.workers != 0) return snapshot.workers;
  return std::max(1u, std::thread::hardware_concurrency());
}

std::vector<std::string_view> surface_names() {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i + 1 < pipeline::kSurfaces; ++i)
    names.push_back(to_string(static_cast<pipeline::Surface>(i)));
  return names;
}

/// `key`: what the configuration calls the file, for the message.
void make_parent(const char* key, const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error)
    throw std::runtime_error(
        fmt::format("{}: cannot make the folder of {}: {}", key, path, error.message()));
}

void write_port(const std::string& file, std::uint16_t port) {
  if (file.empty()) return;
  // Written aside and renamed, so that a reader never sees half a number.
  make_parent("port_file", file);
  const std::string aside = file + ".tmp";
  std::ofstream(aside) << port << '\n';
  std::filesystem::rename(aside, file);
}

void apply_log(const config::Log& log) {
  using telemetry::log::Level;
  Level level = Level::info;
  if (log.level == config::LogLevel::debug) level = Level::debug;
  if (log.level == config::LogLevel::warn) level = Level::warn;
  if (log.level == config::LogLevel::error) level = Level::error;
  telemetry::log::set_level(level);
}

/// Each agent and each upstream connection is a descriptor; the soft limit is often 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Gateway::Gateway(std::string config_path)
    : config_path_(std::move(config_path)),
      snapshot_(load_or_throw(config_path_, 1, nullptr)),
      ledger_(clock_) {
  telemetry::log::Options log;
  log.json = snapshot_->log.json;
  telemetry::log::configure(std::move(log));
  apply_log(snapshot_->log);
  telemetry::log::install_task_failure_hook();
  raise_descriptor_limit();
  const unsigned count = worker_count(*snapshot_);
  registry_ = std::make_unique<telemetry::Registry>(count);
  series_ = std::make_unique<telemetry::CoreSeries>(*registry_, surface_names());
  open_store();
  net::DnsCache::Options dns;
  dns.ttl = snapshot_->routing.dns_ttl;
  dns.stale = snapshot_->routing.dns_stale;
  dns_ = std::make_unique<net::DnsCache>(clock_, dns);
  alerts_ = std::make_unique<Alerts>(clock_, *dns_, *registry_);
  alerts_->install(alerts_->prepare(*snapshot_));

  store::SpendOnRecord history(*store_, snapshot_->audit.path);
  for (const auto& result : {ledger_.configure(*snapshot_, history), ledger_.load(history)})
    if (result.has_error())
      throw std::runtime_error("budgets: " + result.error().message() + " " +
                               result.error().detail());
  runtime_ = build_runtime(snapshot_);
  tls_ = build_tls(*snapshot_);
  const server::WorkerHost::Shared shared{clock_,
                                          ledger_,
                                          *store_,
                                          retry_budget_,
                                          *alerts_,
                                          throttle_,
                                          in_flight_,
                                          *series_,
                                          *registry_,
                                          *dns_,
                                          connections_,
                                          body_memory_,
                                          [](pipeline::Services&) { return default_chain(); }};
  for (unsigned i = 0; i < count; ++i)
    workers_.push_back(std::make_unique<server::WorkerHost>(i, shared, runtime_, tls_));
  open_listeners();
  register_metrics();
  if (snapshot_->admin.enabled) {
    admin_ = std::make_unique<admin::HttpService>("admin");
    admin_->listen_tcp(snapshot_->admin.host, snapshot_->admin.port);
    admin_->set_token(snapshot_->admin.token);
    admin_->set_routes(AdminRoutes(*this).admin());
  }
  control_ = std::make_unique<admin::HttpService>("control");
  make_parent("control_socket", snapshot_->control_socket);
  control_->listen_unix(snapshot_->control_socket);
  control_->set_routes(AdminRoutes(*this).control());
}

Gateway::~Gateway() {
  if (admin_) admin_->stop();
  if (control_) control_->stop();
}

void Gateway::open_store() {
  make_parent("audit.path", snapshot_->audit.path);
  store::StoreOptions options;
  options.audit = snapshot_->audit;
  options.queue_body_bytes = snapshot_->audit.queue_body_bytes;
  options.on_state = [](store::StoreState state, const std::string& detail) {
    const bool good = state == store::StoreState::ready || state == store::StoreState::stopped;
    telemetry::log::write(good ? telemetry::log::Level::info : telemetry::log::Level::warn,
                          "audit_store", {{"state", to_string(state)}, {"detail", detail}});
  };
  options.on_rejected = [](std::uint64_t records, const std::string& first) {
    telemetry::log::write(telemetry::log::Level::warn, "audit_rows_rejected",
                          {{"records", records}, {"first", first}});
  };
  auto opened = store::AuditStore::open(std::move(options), clock_);
  if (opened.has_error())
    throw std::runtime_error("audit.path: " + opened.error().message() + " " +
                             opened.error().detail());
  store_ = std::move(*opened);
  auto reader = store::AuditReader::open(snapshot_->audit.path);
  if (reader.has_error()) throw std::runtime_error("audit: " + reader.error().message());
  auto revoked = (*reader)->revocations();
  if (revoked.has_error()) throw std::runtime_error("audit: " + revoked.error().message());
  for (const auto& revocation : *revoked) revocations_.revoke(revocation.digest);
}

std::vector<config::Key> Gateway::stored_keys() {
  std::vector<config::Key> keys;
  // Never "none" for "could not read": the registry made from it would refuse every stored key.
  auto reader = store::AuditReader::open(snapshot_->audit.path);
  if (reader.has_error()) throw std::runtime_error("stored keys: " + reader.error().message());
  auto stored = (*reader)->keys();
  if (stored.has_error()) throw std::runtime_error("stored keys: " + stored.error().message());
  for (auto& key : *stored) keys.push_back(std::move(key.key));
  return keys;
}

pipeline::RuntimePtr Gateway::build_runtime(const config::SnapshotPtr& snapshot) {
  const auto stored = stored_keys();
  const pipeline::Runtime::Shared shared{ledger_, revocations_, cooldowns_, *registry_};
  auto built = pipeline::Runtime::build(snapshot, stored, shared);
  if (built.has_error()) throw std::runtime_error(built.error().message());
  return *built;
}

std::shared_ptr<const net::TlsContexts> Gateway::build_tls(const config::Snapshot& snapshot) {
  auto contexts = std::make_shared<net::TlsContexts>();
  const auto add = [&contexts](const config::Origin& origin, const std::string& name) {
    if (origin.scheme != "https" || contexts->contains(origin.pool_key)) return;
    contexts->emplace(origin.pool_key, net::make_client_context(origin.tls));
    if (!origin.tls.verify) telemetry::log::warn("tls_verification_off", {{"provider", name}});
  };
  for (const auto& [name, provider] : snapshot.providers)
    if (provider.kind != config::ProviderKind::demo) add(provider.origin, name);
  for (const auto& [name, server] : snapshot.mcp_servers) add(server.origin, name);
  for (const auto& [name, agent] : snapshot.a2a_agents) add(agent.origin, name);
  return contexts;
}

void Gateway::open_listeners() {
  std::vector<net::Worker*> loops;
  for (const auto& host : workers_) loops.push_back(&host->worker());
  for (const config::Listener& listener : snapshot_->listeners) {
    auto state = std::make_shared<server::ListenerState>();
    state->name = listener.name;
    state->proxy_protocol = listener.proxy_protocol;
    state->tls = listener.tls.has_value();
    if (listener.tls) state->set_tls_context(net::make_server_context(*listener.tls));
    for (const std::string& block : listener.trusted_proxies)
      if (auto cidr = protocol::http::Cidr::parse(block)) state->trusted_proxies.push_back(*cidr);
    auto on_accept = [this, state](net::Worker& worker, net::Socket socket,
                                   const net::tcp::endpoint& peer) {
      return workers_[worker.index()]->accept(state, std::move(socket), peer);
    };
    auto acceptor = std::make_unique<net::Acceptor>(listener, snapshot_->accept_balance, loops,
                                                    std::move(on_accept));
    acceptor->open();
    listener_states_.push_back(std::move(state));
    acceptors_.push_back(std::move(acceptor));
  }
}

void Gateway::start() {
  store_->start();
  alerts_->start();
  for (const auto& host : workers_) host->worker().start();
  for (std::size_t i = 0; i < acceptors_.size(); ++i) {
    acceptors_[i]->start();
    const auto& listener = snapshot_->listeners[i];
    write_port(listener.port_file, acceptors_[i]->port());
    telemetry::log::info("listening",
                         {{"listener", listener.name},
                          {"address", fmt::format("{}:{}", listener.host, acceptors_[i]->port())},
                          {"tls", listener.tls.has_value()}});
  }
  if (admin_) {
    admin_->start();
    write_port(snapshot_->admin.port_file, admin_->port());
    telemetry::log::info(
        "admin", {{"address", fmt::format("{}:{}", snapshot_->admin.host, admin_->port())}});
  }
  control_->start();
  ready_.store(true);
  telemetry::log::info("ready", {{"version", TOLLGATE_VERSION}, {"workers", workers_.size()}});
}

void Gateway::install(const config::SnapshotPtr& snapshot, pipeline::RuntimePtr runtime,
                      std::shared_ptr<const net::TlsContexts> tls) {
  snapshot_ = snapshot;
  runtime_ = std::move(runtime);
  tls_ = std::move(tls);
  for (const auto& host : workers_) host->set_runtime(runtime_, tls_);
}

std::string Gateway::reload() {
  const std::lock_guard lock(reload_mutex_);
  const auto count = [this](std::string_view result) {
    registry_->shared().add(registry_->counter(Family::config_reloads, result), 1);
  };
  try {
    auto next = load_or_throw(config_path_, generation_.load() + 1, snapshot_.get());
    for (const auto& path : config::restart_only_changes(*snapshot_, *next))
      telemetry::log::warn("restart_needed", {{"setting", path}});
    // Everything that can fail comes first, the ledger (which takes over all or nothing) last of
    // it; nothing after it does.
    auto runtime = build_runtime(next);
    auto tls = build_tls(*next);
    std::vector<std::shared_ptr<net::asio::ssl::context>> certificates;
    for (std::size_t i = 0; i < listener_states_.size(); ++i) {
      const bool same = i < next->listeners.size() && next->listeners[i].tls.has_value();
      certificates.push_back(listener_states_[i]->tls && same
                                 ? net::make_server_context(*next->listeners[i].tls)
                                 : nullptr);
    }
    auto webhooks = alerts_->prepare(*next);
    store::SpendOnRecord history(*store_, snapshot_->audit.path, [this] { return quiesce(); });
    auto configured = ledger_.configure(*next, history);
    if (configured.has_error()) throw std::runtime_error(configured.error().message());
    alerts_->install(std::move(webhooks));
    for (std::size_t i = 0; i < certificates.size(); ++i)
      if (certificates[i]) listener_states_[i]->set_tls_context(certificates[i]);
    store_->reload(next->audit);
    apply_log(next->log);
    if (admin_) admin_->set_token(next->admin.token);
    install(next, std::move(runtime), std::move(tls));
    generation_.fetch_add(1);
    cooldowns_.prune(clock_.mono());
    count("ok");
    telemetry::log::info("reloaded", {{"generation", generation_.load()}});
    return {};
  } catch (const std::exception& failure) {
    count("failed");
    log_failure("reload_failed", failure.what());
    return failure.what();
  }
}

std::string Gateway::refresh_keys() {
  const std::lock_guard lock(reload_mutex_);
  try {
    install(snapshot_, build_runtime(snapshot_), tls_);
    return {};
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

}  // namespace tollgate::app
