#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "config/values.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::config {
namespace {

bool is_ip4(std::string_view text) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool is_ip6(std::string_view text) {
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.front() == '-') return false;
  const bool letters = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
  if (!letters || host.find("..") != std::string_view::npos) return false;
  // "127.1" or "300.1.1.1" would be read differently by different resolvers.
  const std::string_view last = base::split(host, '.').back();
  const bool numeric = !last.empty() && std::all_of(last.begin(), last.end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
  return !numeric || is_ip4(host);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = base::parse_u64(text);
  if (!port || *port > 65'535 || text.size() > 5) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

}  // namespace

bool is_ip(std::string_view text) {
  return is_ip4(text) || is_ip6(text);
}

bool is_cidr(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  if (!is_ip(address)) return false;
  if (slash == std::string_view::npos) return true;
  const auto bits = base::parse_u64(text.substr(slash + 1));
  return bits && *bits <= (is_ip4(address) ? 32u : 128u);
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || (is_ip4(host) && host.starts_with("127."));
}

std::optional<Address> parse_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_port(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (!port) return std::nullopt;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!is_ip6(host)) return std::nullopt;
  } else if (host == "localhost") {
    host = "127.0.0.1";
  } else if (!is_ip4(host)) {
    return std::nullopt;
  }
  return Address{std::string(host), *port};
}

std::string format_address(std::string_view host, std::uint16_t port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

std::optional<Url> parse_url(std::string_view text, UrlParts allowed, std::string& why) {
  const auto fail = [&](const char* reason) {
    why = reason;
    return std::nullopt;
  };
  if (!is_field_value(text) || text.find(' ') != std::string_view::npos ||
      text.find('\\') != std::string_view::npos)
    return fail("has a space, a backslash or a control character");
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return fail("has no scheme");
  Url url;
  url.scheme = base::to_lower(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https") return fail("has another scheme than http(s)");
  text.remove_prefix(scheme_end + 3);

  if (text.find('#') != std::string_view::npos) return fail("has a fragment");
  const auto query = text.find('?');
  if (query != std::string_view::npos && !allowed.query) return fail("has a query");
  const auto authority_end = text.find_first_of("/?");
  std::string_view authority = text.substr(0, authority_end);
  if (authority_end != std::string_view::npos) url.path = text.substr(authority_end);
  if (!url.path.empty() && url.path.front() == '?') url.path.insert(0, "/");

  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    if (!allowed.userinfo) return fail("has a user name or password");
    url.userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  bool has_port = false;
  if (!authority.empty() && authority.front() == '[') {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return fail("has an unfinished IPv6 address");
    url.host = base::to_lower(authority.substr(1, close - 1));
    if (!is_ip6(url.host)) return fail("has a bad IPv6 address");
    authority.remove_prefix(close + 1);
    if (!authority.empty() && authority.front() != ':') return fail("has text after its host");
    has_port = !authority.empty();
    if (has_port) port = authority.substr(1);
  } else {
    const auto colon = authority.find(':');
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
    url.host = base::to_lower(authority.substr(0, colon));
    if (url.host.empty()) return fail("has no host");
    if (!is_host_name(url.host)) return fail("has a bad host name");
  }
  url.port = url.scheme == "https" ? 443 : 80;
  if (has_port) {
    const auto number = parse_port(port);
    if (!number || *number == 0) return fail("has a bad port");
    url.port = *number;
  }
  return url;
}

bool is_web_origin(std::string_view text) {
  std::string why;
  const auto url = parse_url(text, {}, why);
  return url && url->path.empty();
}

}  // namespace tollgate::config
