#include "app/gateway.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "app/admin_routes.hpp"
#include "app/default_chain.hpp"
#include "app/loading.hpp"
#include "app/port_file.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/pipeline/route.hpp"
#include "tollgate/store/spend_on_record.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {
namespace {

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
  make_parent("port_file", file);
  write_port_file(file, port);
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
    : config_path_(std::move(config_path)), snapshot_(load_or_throw(config_path_, 1, nullptr)) {
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
  alerts_ = std::make_unique<Alerts>(clock_, *dns_, *registry_, *store_);
  alerts_->install(alerts_->prepare(*snapshot_));

  journal_ = std::make_unique<LedgerJournal>(*store_, *snapshot_, config_path_);
  ledger_ = std::make_unique<domain::budget::Ledger>(
      clock_, domain::budget::Ledger::Options{.journal = &journal_->journal()});
  store::SpendOnRecord history(*store_, snapshot_->audit.path);
  for (const auto& result : {ledger_->configure(*snapshot_, history), ledger_->load(history)})
    if (result.has_error())
      throw std::runtime_error("budgets: " + result.error().message() + " " +
                               result.error().detail());
  alerts_->tell_missed(*ledger_, *snapshot_, journal_->recovered());
  loops_ = std::make_unique<domain::loops::LoopBreaker>(snapshot_->loop_memory);
  runtime_ = build_runtime(snapshot_, nullptr);
  tls_ = build_tls(*snapshot_);
  const server::WorkerHost::Shared shared{
      clock_,       *ledger_,      event_streams_,
      *store_,      retry_budget_, *loops_,
      *alerts_,     throttle_,     in_flight_,
      *series_,     *registry_,    *dns_,
      connections_, body_memory_,  [](pipeline::Services&) { return default_chain(); }};
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
  if (reloader_.joinable()) reloader_.join();
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
  options.on_committed = [this](std::span<const std::uint32_t> slots) {
    ledger_->committed(slots);
  };
  options.on_late_revocation = [](const store::Revocation& revocation) {
    telemetry::log::warn("revocation_written", {{"id", revocation.key_id}});
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

pipeline::RuntimePtr Gateway::build_runtime(const config::SnapshotPtr& snapshot,
                                            pipeline::Runtime::PolicyPtr policy) {
  const auto stored = stored_keys();
  const pipeline::Runtime::Shared shared{*ledger_, revocations_, cooldowns_, *registry_};
  auto built = pipeline::Runtime::build(snapshot, stored, shared, std::move(policy));
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
  journal_->start();
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

}  // namespace tollgate::app
