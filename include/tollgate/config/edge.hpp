#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tollgate/base/secret.hpp"

/// What agents and operators connect to: listeners, limits, times. Parts of the Snapshot.
namespace tollgate::config {

using std::chrono::milliseconds;

enum class ClientAuth : std::uint8_t { none, optional, require };
enum class AcceptBalance : std::uint8_t { exact, kernel };

struct TlsServer {
  std::string certificate_file;
  std::string private_key_file;
  std::string client_ca_file;  ///< empty unless client_auth is not none
  ClientAuth client_auth = ClientAuth::none;
  bool allow_tls12 = true;
};

struct Listener {  // restart-only, except certificates (read again on reload)
  std::string name;
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0 = any free port, logged and written to `port_file`
  std::string port_file;
  std::optional<TlsServer> tls;
  bool proxy_protocol = false;               ///< v1 and v2, from trusted_proxies only
  std::vector<std::string> trusted_proxies;  ///< CIDRs whose X-Forwarded-For is believed
};

struct Admin {  // restart-only, except the token
  bool enabled = true;
  std::string host = "127.0.0.1";
  std::uint16_t port = 9090;
  std::string port_file;
  base::Secret token;  ///< empty: only /healthz and /readyz answer
};

struct Limits {
  std::uint32_t request_line_bytes = 8 * 1024;
  std::uint32_t header_bytes = 64 * 1024;
  std::uint32_t header_field_bytes = 16 * 1024;
  std::uint32_t header_count = 100;
  std::uint64_t body_bytes = 16ull << 20;
  std::uint64_t body_memory_bytes = 512ull << 20;  ///< all bodies being read or worked on
  std::uint32_t gzip_ratio = 20;  ///< largest inflated:deflated ratio of a request body
  std::uint32_t json_depth = 64;
  std::uint32_t json_nodes = 1'000'000;  ///< values in one request body
  std::uint32_t connections = 10'000;
  std::uint32_t connections_per_ip = 1'024;
  std::uint32_t requests_per_connection = 10'000;
  std::uint32_t in_flight = 20'000;  ///< requests inside the pipeline at once
  /// GET streams that one key has open at one MCP server.
  std::uint32_t event_streams_per_key = 16;
  std::uint32_t upstream_header_bytes = 64 * 1024;
  std::uint64_t response_body_bytes = 32ull << 20;  ///< a JSON answer, buffered whole
  std::uint32_t sse_event_bytes = 1 << 20;
  std::uint32_t failed_auth_per_minute = 600;  ///< per client address; then 429 instead of 401
};

struct Timeouts {
  milliseconds tls_handshake{5'000};
  milliseconds header{10'000};
  milliseconds body{60'000};  ///< whole body after its head
  milliseconds keep_alive_idle{60'000};
  milliseconds client_write{30'000};  ///< no progress writing to the agent
  milliseconds connect{5'000};        ///< TCP to one upstream address
  milliseconds upstream_tls{5'000};
  milliseconds first_byte_stream{60'000};
  milliseconds first_byte_json{600'000};
  milliseconds stream_idle{120'000};  ///< between two reads of a stream
  milliseconds total{1'200'000};      ///< whole call, streams included
  milliseconds pool_wait{5'000};      ///< for a free connection when the origin is at its limit
  milliseconds drain{30'000};
  milliseconds drain_min_delay{0};  ///< not ready, still accepting
};

}  // namespace tollgate::config
