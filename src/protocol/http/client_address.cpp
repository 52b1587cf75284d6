#include "tollgate/protocol/http/client_address.hpp"

#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::http {
namespace {

/// An entry: an address, "v4:port" or "[v6]:port".
std::optional<IpAddress> parse_hop(std::string_view text) noexcept {
  if (const auto plain = IpAddress::parse(text)) return plain;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && (rest.front() != ':' || !base::parse_u64(rest.substr(1))))
      return std::nullopt;
    return IpAddress::parse(text.substr(1, close - 1));
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !base::parse_u64(text.substr(colon + 1)))
    return std::nullopt;
  return IpAddress::parse(text.substr(0, colon));
}

}  // namespace

IpAddress client_address(const IpAddress& peer, const HeaderSection& headers,
                         const std::vector<Cidr>& trusted) noexcept {
  constexpr int kMaxHops = 32;
  if (!headers.has(HeaderId::x_forwarded_for)) return peer;
  IpAddress client = peer;
  int hops = 0;
  const auto& fields = headers.fields();
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    if (field->id != HeaderId::x_forwarded_for) continue;
    std::string_view rest = field->value;
    for (;;) {
      if (!contains(trusted, client) || ++hops > kMaxHops) return client;
      const std::size_t comma = rest.rfind(',');
      const bool last = comma == std::string_view::npos;
      const auto hop = parse_hop(base::trim_ows(last ? rest : rest.substr(comma + 1)));
      if (!hop) return client;
      client = *hop;
      if (last) break;
      rest = rest.substr(0, comma);
    }
  }
  return client;
}

bool client_spoke_tls(const IpAddress& peer, const HeaderSection& headers,
                      const std::vector<Cidr>& trusted) noexcept {
  const std::string_view value = headers.value(HeaderId::x_forwarded_proto);
  return !value.empty() && contains(trusted, peer) &&
         base::iequals(base::trim_ows(value.substr(0, value.find(','))), "https");
}

}  // namespace tollgate::protocol::http
