#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "tollgate/config/load.hpp"

namespace tollgate::config {

std::vector<std::string> restart_only_changes(const Snapshot& running, const Snapshot& next) {
  std::vector<std::string> changed;
  const auto compare = [&](std::string path, const auto& a, const auto& b) {
    if (!(a == b)) changed.push_back(std::move(path));
  };
  compare("listeners", running.listeners.size(), next.listeners.size());
  for (std::size_t i = 0; i < std::min(running.listeners.size(), next.listeners.size()); ++i) {
    const Listener &a = running.listeners[i], &b = next.listeners[i];
    const auto at = [i](const char* key) { return fmt::format("listeners[{}].{}", i, key); };
    compare(at("name"), a.name, b.name);
    compare(at("address"), std::tie(a.host, a.port), std::tie(b.host, b.port));
    compare(at("port_file"), a.port_file, b.port_file);
    compare(at("proxy_protocol"), a.proxy_protocol, b.proxy_protocol);
    compare(at("trusted_proxies"), a.trusted_proxies, b.trusted_proxies);
    compare(at("tls"), a.tls.has_value(), b.tls.has_value());
    if (!a.tls || !b.tls) continue;
    compare(at("tls.client_auth"), a.tls->client_auth, b.tls->client_auth);
    compare(at("tls.allow_tls12"), a.tls->allow_tls12, b.tls->allow_tls12);
  }
  compare("admin.enabled", running.admin.enabled, next.admin.enabled);
  compare("admin.address", std::tie(running.admin.host, running.admin.port),
          std::tie(next.admin.host, next.admin.port));
  compare("admin.port_file", running.admin.port_file, next.admin.port_file);
  compare("control_socket", running.control_socket, next.control_socket);
  compare("workers", running.workers, next.workers);
  compare("accept_balance", running.accept_balance, next.accept_balance);
  compare("audit.path", running.audit.path, next.audit.path);
  compare("audit.queue", running.audit.queue, next.audit.queue);
  compare("audit.queue_body_bytes", running.audit.queue_body_bytes, next.audit.queue_body_bytes);
  compare("audit.sync_full", running.audit.sync_full, next.audit.sync_full);
  compare("routing.dns_ttl", running.routing.dns_ttl, next.routing.dns_ttl);
  compare("routing.dns_stale", running.routing.dns_stale, next.routing.dns_stale);
  compare("spending.journal_sync", running.spending.journal_sync, next.spending.journal_sync);
  const LoopMemory &a = running.loop_memory, &b = next.loop_memory;
  compare("loop_memory.entries", a.entries, b.entries);
  compare("loop_memory.traces", a.traces, b.traces);
  compare("loop_memory.keys", a.keys, b.keys);
  compare("loop_memory.stops", a.stops, b.stops);
  compare("log.json", running.log.json, next.log.json);
  return changed;
}

}  // namespace tollgate::config
