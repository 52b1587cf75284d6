#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tollgate/base/result.hpp"
#include "tollgate/protocol/http/ip_address.hpp"

namespace tollgate::protocol::http {

/// What a PROXY protocol header says (HAProxy's proxy-protocol.txt, versions 1 and 2).
struct ProxyHeader {
  std::size_t size = 0;  ///< bytes to drop; 0 = more bytes are needed
  /// Absent for UNKNOWN, LOCAL and families other than TCP over IP: keep the socket's address.
  std::optional<IpAddress> source;
  std::uint16_t source_port = 0;
};

/// Reads the header at the start of a connection from a trusted proxy. Bounded: 107 bytes for
/// version 1, 16 + 2048 for version 2. Errors: bad_http; the connection is closed without answer.
[[nodiscard]] base::Result<ProxyHeader> parse_proxy_header(std::string_view all);

}  // namespace tollgate::protocol::http
