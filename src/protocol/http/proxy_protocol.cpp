#include "tollgate/protocol/http/proxy_protocol.hpp"

#include <algorithm>
#include <cstring>

#include "tollgate/base/strings.hpp"
#include "tollgate/protocol/http/line_reader.hpp"

namespace tollgate::protocol::http {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::string_view kSignature1 = "PROXY "sv;
constexpr std::size_t kMaxLine1 = 107;
constexpr std::size_t kMaxPayload2 = 2'048;

base::Error refuse(const char* why) {
  return to_error({base::ErrorCode::bad_http, why}, Peer::client);
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  const auto number = base::parse_u64(text);
  if (!number || *number > 65'535 || text.size() > 5 || (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

base::Result<ProxyHeader> parse_v1(std::string_view all) {
  const std::string_view window = all.substr(0, kMaxLine1);
  const std::size_t lf = window.find('\n');
  if (lf == std::string_view::npos) {
    if (window.size() == kMaxLine1) return refuse("a PROXY line is too long");
    return ProxyHeader{};
  }
  if (window[lf - 1] != '\r') return refuse("a PROXY line without CRLF");
  std::string_view line = window.substr(0, lf - 1);
  ProxyHeader header;
  header.size = lf + 1;
  line.remove_prefix(kSignature1.size());
  if (line == "UNKNOWN" || line.substr(0, 8) == "UNKNOWN ") {
    if (line.find_first_of("\r\0"sv) != std::string_view::npos)
      return refuse("a malformed PROXY line");
    return header;
  }
  std::string_view parts[5];
  for (std::size_t i = 0; i < 5; ++i) {
    const std::size_t space = line.find(' ');
    if ((space == std::string_view::npos) != (i == 4)) return refuse("a malformed PROXY line");
    parts[i] = line.substr(0, space);
    line.remove_prefix(i == 4 ? line.size() : space + 1);
  }
  const bool four = parts[0] == "TCP4";
  if (!four && parts[0] != "TCP6") return refuse("a malformed PROXY line");
  const auto colon = [](std::string_view s) { return s.find(':') != std::string_view::npos; };
  const auto source = IpAddress::parse(parts[1]);
  const auto target = IpAddress::parse(parts[2]);
  const auto source_port = parse_port(parts[3]);
  if (!source || !target || colon(parts[1]) == four || colon(parts[2]) == four || !source_port ||
      !parse_port(parts[4]))
    return refuse("a malformed PROXY line");
  header.source = source;
  header.source_port = *source_port;
  return header;
}

base::Result<ProxyHeader> parse_v2(std::string_view all) {
  if (all.size() < 16) return ProxyHeader{};
  const auto byte = [all](std::size_t i) { return static_cast<std::uint8_t>(all[i]); };
  const unsigned version = byte(12) >> 4;
  const unsigned command = byte(12) & 15u;
  const unsigned family = byte(13);
  const std::size_t length = static_cast<std::size_t>(byte(14) << 8 | byte(15));
  if (version != 2 || command > 1) return refuse("a PROXY header of another version");
  if (length > kMaxPayload2) return refuse("a PROXY header is too long");
  if (all.size() < 16 + length) return ProxyHeader{};
  ProxyHeader header;
  header.size = 16 + length;
  // LOCAL: a health check of the proxy itself; the rest must be ignored.
  if (command == 0) return header;
  std::size_t addresses = 0;
  switch (family) {
    case 0x00:
      break;  // unspecified
    case 0x11:
    case 0x12:
      addresses = 12;
      break;  // TCP, UDP over IPv4
    case 0x21:
    case 0x22:
      addresses = 36;
      break;  // over IPv6
    case 0x31:
    case 0x32:
      addresses = 216;
      break;  // Unix sockets
    default:
      return refuse("a PROXY header of an unknown family");
  }
  if (length < addresses) return refuse("a PROXY header is too short");
  for (std::size_t at = 16 + addresses; family != 0 && at < header.size;) {
    if (at + 3 > header.size) return refuse("a malformed PROXY extension");
    at += 3 + static_cast<std::size_t>(byte(at + 1) << 8 | byte(at + 2));
    if (at > header.size) return refuse("a malformed PROXY extension");
  }
  if (family == 0x11) {
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), all.data() + 16, 4);
    header.source = IpAddress::v4(bytes);
    header.source_port = static_cast<std::uint16_t>(byte(24) << 8 | byte(25));
  } else if (family == 0x21) {
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), all.data() + 16, 16);
    header.source = IpAddress::v6(bytes);
    header.source_port = static_cast<std::uint16_t>(byte(48) << 8 | byte(49));
  }
  return header;
}

}  // namespace

base::Result<ProxyHeader> parse_proxy_header(std::string_view all) {
  const auto begins = [all](std::string_view signature) {
    const std::size_t n = std::min(all.size(), signature.size());
    return all.substr(0, n) == signature.substr(0, n);
  };
  if (begins(kSignature2)) return all.size() < kSignature2.size() ? ProxyHeader{} : parse_v2(all);
  if (begins(kSignature1)) return all.size() < kSignature1.size() ? ProxyHeader{} : parse_v1(all);
  return refuse("no PROXY header");
}

}  // namespace tollgate::protocol::http
