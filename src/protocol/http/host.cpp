#include <algorithm>

#include "protocol/http/char_class.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/protocol/http/header_section.hpp"
#include "tollgate/protocol/http/ip_address.hpp"

namespace tollgate::protocol::http {

bool is_valid_host(std::string_view host) noexcept {
  std::string_view port;
  bool has_port = false;
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view literal = host.substr(1, close - 1);
    // Only what has a colon: "[1.2.3.4]" is not an IPv6 literal.
    if (literal.find(':') == std::string_view::npos || !IpAddress::parse(literal)) return false;
    const std::string_view rest = host.substr(close + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') return false;
      has_port = true;
      port = rest.substr(1);
    }
  } else {
    const std::size_t colon = host.find(':');
    const std::string_view name = host.substr(0, colon);
    if (name.empty() || name.size() > 255 || !detail::all_of_class(name, detail::kRegName))
      return false;
    if (colon != std::string_view::npos) {
      has_port = true;
      port = host.substr(colon + 1);
    }
  }
  if (!has_port) return true;
  if (port.empty() || port.size() > 5) return false;
  const auto number = base::parse_u64(port);
  return number && *number <= 65'535;
}

}  // namespace tollgate::protocol::http
