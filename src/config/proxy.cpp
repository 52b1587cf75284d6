#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstring>

#include "config/resolve.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::config {
namespace {

struct IpBytes {
  unsigned char bytes[16] = {};
  unsigned bits = 0;  // 0 = not an address
};

IpBytes ip_bytes(std::string_view text) {
  IpBytes ip;
  const std::string copy(text);
  if (inet_pton(AF_INET, copy.c_str(), ip.bytes) == 1)
    ip.bits = 32;
  else if (inet_pton(AF_INET6, copy.c_str(), ip.bytes) == 1)
    ip.bits = 128;
  return ip;
}

bool in_cidr(std::string_view host, std::string_view cidr) {
  const auto slash = cidr.find('/');
  const IpBytes address = ip_bytes(host), network = ip_bytes(cidr.substr(0, slash));
  if (address.bits == 0 || address.bits != network.bits) return false;
  const auto prefix = base::parse_u64(cidr.substr(slash + 1));
  if (!prefix || *prefix > address.bits) return false;
  for (unsigned bit = 0; bit < *prefix; ++bit) {
    const auto mask = static_cast<unsigned char>(0x80u >> (bit % 8));
    if ((address.bytes[bit / 8] & mask) != (network.bytes[bit / 8] & mask)) return false;
  }
  return true;
}

}  // namespace

bool no_proxy_matches(std::string_view no_proxy, std::string_view host, std::uint16_t port) {
  for (std::string_view item : base::split(no_proxy, ',')) {
    item = base::trim_ows(item);
    if (item.empty()) continue;
    if (item == "*") return true;
    if (item.find('/') != std::string_view::npos) {
      if (in_cidr(host, item)) return true;
      continue;
    }
    // A trailing :port limits the entry to that port; an IPv6 address needs brackets for it.
    std::string name = base::to_lower(item);
    std::string_view entry = name;
    if (entry.front() == '[') {
      const auto close = entry.find(']');
      if (close == std::string_view::npos) continue;
      if (close + 1 < entry.size() && entry.substr(close + 1) != fmt::format(":{}", port)) continue;
      entry = entry.substr(1, close - 1);
    } else if (const auto colon = entry.find(':');
               colon != std::string_view::npos && colon == entry.rfind(':')) {
      if (entry.substr(colon + 1) != std::to_string(port)) continue;
      entry = entry.substr(0, colon);
    }
    if (entry.starts_with("*.")) entry.remove_prefix(1);
    if (entry.starts_with(".")) entry.remove_prefix(1);
    if (entry.empty()) continue;
    if (host == entry) return true;
    if (host.size() > entry.size() && host.ends_with(entry) &&
        host[host.size() - entry.size() - 1] == '.' && !is_ip(host))
      return true;
  }
  return false;
}

std::optional<Url> proxy_from_environment(Reader& reader, const Url& target) {
  if (is_loopback(target.host) || reader.secrets() == Secrets::leave_out) return std::nullopt;
  const auto first = [&](std::initializer_list<const char*> variables, std::string& name) {
    for (const char* variable : variables) {
      auto value = reader.env().variable(variable);
      if (value && !value->empty()) {
        name = variable;
        return *value;
      }
    }
    return std::string();
  };
  std::string name, no_proxy_name;
  // HTTP_PROXY in capitals can be set by a request header in CGI-like settings ("httpoxy").
  std::string value = target.scheme == "https"
                          ? first({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}, name)
                          : first({"http_proxy", "all_proxy", "ALL_PROXY"}, name);
  if (value.empty()) return std::nullopt;
  if (no_proxy_matches(first({"no_proxy", "NO_PROXY"}, no_proxy_name), target.host, target.port))
    return std::nullopt;
  if (value.find("://") == std::string::npos) value.insert(0, "http://");
  std::string why;
  auto url = parse_url(value, {.userinfo = true, .query = false}, why);
  if (url && url->scheme != "http") why = "has another scheme than http", url.reset();
  if (!url)
    // A warning only would send traffic around a proxy that somebody asked for.
    reader.problem({}, "", fmt::format("environment variable {}: the proxy URL {}", name, why),
                   "a URL such as \"http://proxy.example:3128\", or proxy: none at the upstream "
                   "or webhook");
  return url;
}

}  // namespace tollgate::config
