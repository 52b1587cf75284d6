#include "config/fields.hpp"
#include "config/tables.hpp"

/// Listeners, admin port, limits and timeouts.
namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

const Table<TlsServer>& tls_server_table() {
  static const Table<TlsServer> table(
      "Listener TLS",
      "TLS 1.2 and 1.3 in front of agents. Certificate files are read again on reload.",
      {
          file("certificate_file", &TlsServer::certificate_file,
               "PEM certificate chain of this listener")
              .required()
              .example("server.crt"),
          file("private_key_file", &TlsServer::private_key_file,
               "PEM private key of the certificate")
              .required()
              .example("server.key"),
          enumeration("client_auth", &TlsServer::client_auth,
                      "Whether agents present a certificate")
              .restart(),
          file("client_ca_file", &TlsServer::client_ca_file,
               "PEM CAs that client certificates must come from; needed unless client_auth is none")
              .example("clients-ca.crt"),
          boolean("allow_tls12", &TlsServer::allow_tls12, "Accept TLS 1.2 besides 1.3").restart(),
      });
  return table;
}

template <class T>
Field<T> address_field(Address T::*member, std::string doc) {
  Field<T> field;
  field.info.key = "address";
  field.info.type = ValueType::address;
  field.info.default_text =
      default_of(member, [](const Address& a) { return format_address(a.host, a.port); });
  field.info.doc = std::move(doc);
  field.read = [member](Reader& reader, const Node& node, const std::string& path, T& out) {
    // A bad address becomes port 0, which clashes with no other.
    out.*member = read_address(reader, node, path).value_or(Address{(out.*member).host, 0});
  };
  return std::move(field).restart();
}

}  // namespace

const Table<ListenerDoc>& listener_table() {
  static const Table<ListenerDoc> table(
      "Listeners", "Where agents connect. Without this section: one listener on 127.0.0.1:8080.",
      {
          name("name", &ListenerDoc::name,
               "Name in logs and metrics; \"main\" for the first when absent")
              .default_is("main")
              .restart(),
          address_field(&ListenerDoc::address, "IP address and port; port 0 takes a free one"),
          path("port_file", &ListenerDoc::port_file,
               "File that receives the port in use; empty for none")
              .restart(),
          object("tls", &ListenerDoc::tls, tls_server_table(),
                 "TLS for this listener; absent = plain HTTP")
              .commented(),
          boolean("proxy_protocol", &ListenerDoc::proxy_protocol,
                  "Expect a PROXY protocol header (v1 or v2) from trusted_proxies")
              .restart(),
          texts("trusted_proxies", &ListenerDoc::trusted_proxies, is_cidr,
                "a CIDR such as \"10.0.0.0/8\"",
                "CIDRs whose X-Forwarded-For and PROXY header are believed")
              .restart(),
      });
  return table;
}

const Table<AdminDoc>& admin_table() {
  static const Table<AdminDoc> table(
      "Admin", "The admin port: /healthz, /readyz, /metrics and the JSON routes of docs/admin.md.",
      {
          boolean("enabled", &AdminDoc::enabled, "Open the admin port").restart(),
          address_field(&AdminDoc::address, "IP address and port of the admin port"),
          path("port_file", &AdminDoc::port_file,
               "File that receives the port in use; empty for none")
              .restart(),
          secret("token", &AdminDoc::token,
                 "Bearer token for all but /healthz and /readyz; without it only those answer")
              .example("${env:TOLLGATE_ADMIN_TOKEN}"),
      });
  return table;
}

const Table<Limits>& limits_table() {
  constexpr std::uint64_t kKiB = 1'024, kMiB = 1'024 * kKiB, kGiB = 1'024 * kMiB;
  using L = Limits;
  static const Table<Limits> table(
      "Limits", "Bounds on what one agent, connection or answer may use.",
      {
          size("request_line_bytes", &L::request_line_bytes, 512, 64 * kKiB,
               "Method, target and version of a request"),
          size("header_bytes", &L::header_bytes, kKiB, kMiB, "All header fields of a request"),
          size("header_field_bytes", &L::header_field_bytes, 256, kMiB,
               "One header field of a request"),
          integer("header_count", &L::header_count, 10, 1'000, "Header fields of a request")
              .unit("fields"),
          size("body_bytes", &L::body_bytes, kKiB, kGiB, "A request body, inflated"),
          size("body_memory_bytes", &L::body_memory_bytes, kMiB, 1'024 * kGiB,
               "Memory of request bodies over 16 KiB and their indexes; then 503 to further ones"),
          integer("gzip_ratio", &L::gzip_ratio, 1, 1'000,
                  "Largest inflated to deflated ratio of a gzip request body, beyond 1 MiB"),
          integer("json_depth", &L::json_depth, 8, 1'000, "Nesting of a JSON request body")
              .unit("levels"),
          integer("json_nodes", &L::json_nodes, 100, 100'000'000, "Values in a JSON request body")
              .unit("values"),
          integer("connections", &L::connections, 1, 1'000'000,
                  "Open agent connections, all listeners together"),
          integer("connections_per_ip", &L::connections_per_ip, 1, 1'000'000,
                  "Open connections of one client address"),
          integer("requests_per_connection", &L::requests_per_connection, 1, 1'000'000'000,
                  "Requests before a connection is closed"),
          integer("in_flight", &L::in_flight, 1, 1'000'000, "Requests inside the pipeline at once")
              .unit("requests"),
          integer("event_streams_per_key", &L::event_streams_per_key, 1, 1'000'000,
                  "Open event streams (GET) of one MCP server for one key, which count in no rate "
                  "limit; then 429")
              .unit("streams"),
          size("upstream_header_bytes", &L::upstream_header_bytes, kKiB, kMiB,
               "All header fields of an upstream answer"),
          size("response_body_bytes", &L::response_body_bytes, kKiB, kGiB,
               "A JSON answer, which is buffered whole"),
          size("sse_event_bytes", &L::sse_event_bytes, kKiB, 256 * kMiB, "One event of a stream"),
          integer(
              "failed_auth_per_minute", &L::failed_auth_per_minute, 1, 1'000'000,
              "Failed keys of one client address, then 429 instead of 401; valid keys always pass")
              .unit("per minute"),
      });
  return table;
}

const Table<Timeouts>& timeouts_table() {
  using T = Timeouts;
  static const Table<Timeouts> table(
      "Timeouts", "Every wait has one of these deadlines.",
      {
          duration("tls_handshake", &T::tls_handshake, 100ms, 5min, "TLS handshake with an agent"),
          duration("header", &T::header, 100ms, 5min,
                   "From the first byte of a request to the end of its head"),
          duration("body", &T::body, 100ms, 1h, "A whole request body, after its head"),
          duration("keep_alive_idle", &T::keep_alive_idle, 1s, 1h, "An idle agent connection"),
          duration("client_write", &T::client_write, 100ms, 1h,
                   "No progress in writing to the agent"),
          duration("connect", &T::connect, 10ms, 5min, "TCP connect to one upstream address"),
          duration("upstream_tls", &T::upstream_tls, 10ms, 5min, "TLS handshake with an upstream"),
          duration("first_byte_stream", &T::first_byte_stream, 10ms, 1h,
                   "From request sent to the first event or comment of a stream"),
          duration(
              "first_byte_json", &T::first_byte_json, 10ms, 2h,
              "From request sent to the first byte of a JSON answer, which comes when all is done"),
          duration("stream_idle", &T::stream_idle, 10ms, 2h, "Between two reads of a stream"),
          duration("total", &T::total, 100ms, 24h, "A whole call, attempts and stream included"),
          duration("pool_wait", &T::pool_wait, 0ms, 5min,
                   "For a free connection when an upstream is at max_connections"),
          duration("drain", &T::drain, 0ms, 1h, "On stop: for running calls to end"),
          duration("drain_min_delay", &T::drain_min_delay, 0ms, 10min,
                   "On stop: not ready but still accepting, for the load balancer to notice"),
      });
  return table;
}

}  // namespace tollgate::config
