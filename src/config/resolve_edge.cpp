#include <fmt/format.h>
#include <sys/un.h>

#include "config/resolve.hpp"

namespace tollgate::config {
namespace {

bool is_wildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

/// Two sockets that cannot both be bound. Port 0 never clashes. A dual-stack "::" takes IPv4 too.
bool clashes(const Address& a, const Address& b) {
  if (a.port == 0 || a.port != b.port) return false;
  if (a.host == b.host || a.host == "::" || b.host == "::") return true;
  const bool same_family =
      (a.host.find(':') == std::string::npos) == (b.host.find(':') == std::string::npos);
  return same_family && (is_wildcard(a.host) || is_wildcard(b.host));
}

void check_tls(Reader& reader, const ListenerDoc& doc) {
  const std::string path = join_path(doc.path, "tls");
  // A file that cannot be read is reported already, and is not the same as none.
  if (doc.tls->client_auth != ClientAuth::none && !reader.has(join_path(path, "client_ca_file")))
    reader.problem_at(join_path(path, "client_auth"),
                      "asks for client certificates without client_ca_file",
                      "client_ca_file beside it");
  if (doc.tls->client_auth == ClientAuth::none && !doc.tls->client_ca_file.empty())
    reader.problem_at(join_path(path, "client_ca_file"), "is not used while client_auth is none",
                      "client_auth: require or optional");
}

}  // namespace

void resolve_edge(Reader& reader, const RootDoc& root, Snapshot& out) {
  struct Taken {
    std::string path;
    Address address;
  };
  std::vector<Taken> taken;
  const auto claim = [&](const std::string& path, const Address& address) {
    for (const auto& other : taken) {
      if (!clashes(other.address, address)) continue;
      reader.problem_at(join_path(path, "address"),
                        fmt::format("{} is already taken by {}",
                                    format_address(address.host, address.port), other.path),
                        "an address of its own");
      break;
    }
    taken.push_back({path, address});
  };

  // First, so that a clash is reported at the listener: the admin address is often a default.
  if (root.admin.enabled) claim("admin", root.admin.address);
  if (root.listeners.empty())
    reader.problem_at("listeners", "names no listener", "at least one, or no listeners key at all");
  for (std::size_t i = 0; i < root.listeners.size(); ++i) {
    const ListenerDoc& doc = root.listeners[i];
    Listener listener;
    listener.name = !doc.name.empty() ? doc.name
                    : i == 0          ? "main"
                                      : fmt::format("listener{}", i + 1);
    for (const auto& other : out.listeners)
      if (other.name == listener.name)
        reader.problem_at(join_path(doc.path, "name"),
                          fmt::format("a second listener is named {}", listener.name),
                          "a name of its own");
    claim(doc.path, doc.address);
    listener.host = doc.address.host;
    listener.port = doc.address.port;
    listener.port_file = doc.port_file;
    listener.proxy_protocol = doc.proxy_protocol;
    listener.trusted_proxies = doc.trusted_proxies;
    if (doc.proxy_protocol && doc.trusted_proxies.empty())
      reader.problem_at(join_path(doc.path, "proxy_protocol"), "is on without trusted_proxies",
                        "the CIDRs of the proxies in trusted_proxies");
    if (doc.tls) check_tls(reader, doc);
    listener.tls = doc.tls;
    out.listeners.push_back(std::move(listener));
  }

  out.admin = {root.admin.enabled, root.admin.address.host, root.admin.address.port,
               root.admin.port_file, root.admin.token};

  out.control_socket = root.control_socket;
  if (!reader.has("control_socket")) out.control_socket = reader.resolve_file(out.control_socket);
  constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
  if (out.control_socket.empty() || out.control_socket.size() > kMaxSocketPath)
    reader.problem_at("control_socket", fmt::format("is {} bytes long", out.control_socket.size()),
                      fmt::format("a path of 1 to {} bytes", kMaxSocketPath));
  out.workers = root.workers;
  out.accept_balance = root.accept_balance;
  out.limits = root.limits;
  out.timeouts = root.timeouts;
  out.routing = root.routing;
  out.spending = root.spending;
  out.audit = root.audit;
  out.log = root.log;
  out.mcp_allowed_origins = root.mcp_allowed_origins;
  constexpr std::size_t kMinSessionSecret = 32;
  out.mcp_session_secret = root.mcp_session_secret;
  if (const std::size_t size = root.mcp_session_secret.reveal().size();
      size != 0 && size < kMinSessionSecret)
    reader.problem_at(
        "mcp_session_secret", fmt::format("is {} bytes long", size),
        fmt::format("at least {} bytes, such as `openssl rand -hex 32` gives", kMinSessionSecret));
  if (root.public_url) {
    const Url& url = *root.public_url;
    const bool is_default = url.port == (url.scheme == "https" ? 443 : 80);
    const bool is_ipv6 = url.host.find(':') != std::string::npos;
    std::string host = is_ipv6 ? fmt::format("[{}]", url.host) : url.host;
    if (!is_default) host += fmt::format(":{}", url.port);
    out.public_url = fmt::format("{}://{}{}", url.scheme, host, url.path);
    while (out.public_url.ends_with('/')) out.public_url.pop_back();
  }
  if (!reader.has("audit.path")) out.audit.path = reader.resolve_file(out.audit.path);
  if (out.audit.path.empty()) reader.problem_at("audit.path", "is empty", "a file name");

  if (out.limits.header_field_bytes > out.limits.header_bytes)
    reader.problem_at("limits.header_field_bytes", "is larger than header_bytes",
                      "at most header_bytes");
  if (out.limits.body_memory_bytes / 2 < out.limits.body_bytes)
    reader.problem_at("limits.body_memory_bytes", "is less than twice body_bytes",
                      "at least twice body_bytes, the most one growing body takes");
  if (out.routing.backoff_base > out.routing.backoff_max)
    reader.problem_at("routing.backoff_base", "is longer than backoff_max", "at most backoff_max");
  if (out.timeouts.drain_min_delay > out.timeouts.drain)
    reader.problem_at("timeouts.drain_min_delay", "is longer than drain", "at most drain");
  const auto needs_amount = [&](UnpricedAction action, base::NanoUsd amount, const char* key) {
    if (action == UnpricedAction::hold && amount.value == 0)
      reader.problem_at(fmt::format("spending.{}", key),
                        fmt::format("is hold, but {}_hold is 0", key),
                        fmt::format("an amount in spending.{}_hold", key));
  };
  needs_amount(out.spending.unpriced, out.spending.unpriced_hold, "unpriced");
  needs_amount(out.spending.unknown_modifier, out.spending.unknown_modifier_hold,
               "unknown_modifier");
  needs_amount(out.spending.unbounded_input, out.spending.unbounded_input_hold, "unbounded_input");

  for (const auto& doc : root.alerts.webhooks) {
    if (!doc.url) continue;  // reported while reading
    if (doc.url->scheme == "http" && !is_loopback(doc.url->host) && !doc.allow_plain_http)
      reader.problem_at(join_path(doc.path, "url"), "is plain http to another machine",
                        "https, or allow_plain_http: true");
    Webhook hook;
    hook.origin = origin_of(reader, *doc.url, UpstreamTls{}, doc.proxy);
    hook.target = doc.url->path.empty() ? "/" : doc.url->path;
    hook.secret = doc.secret;
    hook.format = doc.format;
    hook.events = doc.events;
    hook.attempts = doc.attempts;
    hook.timeout = doc.timeout;
    hook.retry_max = doc.retry_max;
    out.webhooks.push_back(std::move(hook));
  }
  out.alert_queue = root.alerts.queue;
}

}  // namespace tollgate::config
