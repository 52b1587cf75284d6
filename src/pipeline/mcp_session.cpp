#include "tollgate/pipeline/mcp_session.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "tollgate/base/digest.hpp"

namespace tollgate::pipeline {
namespace {

constexpr std::string_view kPrefix = "tg1-";
constexpr std::size_t kTagBytes = 16;  ///< 128 bits: no agent gets to try more than a few
constexpr std::size_t kTagHex = 2 * kTagBytes;

/// Of this process, for configurations without a secret.
std::string_view process_secret() {
  static const std::array<std::uint8_t, 32> secret = [] {
    std::array<std::uint8_t, 32> bytes{};
    base::random_bytes(bytes);
    return bytes;
  }();
  return {reinterpret_cast<const char*>(secret.data()), secret.size()};
}

}  // namespace

McpSessions::McpSessions(const config::Snapshot& config)
    : secret_(config.mcp_session_secret.empty() ? process_secret()
                                                : config.mcp_session_secret.reveal()) {}

std::string McpSessions::tag(std::string_view key_id, std::string_view server,
                             std::string_view upstream_id) const {
  // Names hold no NUL, so that no two triples make the same text.
  std::string text("mcp-session");
  for (const std::string_view part : {key_id, server, upstream_id}) {
    text += '\0';
    text += part;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  return base::to_hex(std::span<const std::uint8_t>(mac).first(kTagBytes));
}

std::string McpSessions::seal(std::string_view key_id, std::string_view server,
                              std::string_view upstream_id) const {
  std::string sealed(kPrefix);
  sealed += tag(key_id, server, upstream_id);
  sealed += '-';
  sealed += upstream_id;
  return sealed;
}

std::optional<std::string_view> McpSessions::open(std::string_view key_id, std::string_view server,
                                                  std::string_view sealed) const {
  if (!sealed.starts_with(kPrefix)) return std::nullopt;
  sealed.remove_prefix(kPrefix.size());
  if (sealed.size() <= kTagHex + 1 || sealed[kTagHex] != '-') return std::nullopt;
  const std::string_view upstream_id = sealed.substr(kTagHex + 1);
  if (!base::constant_time_equal(sealed.substr(0, kTagHex), tag(key_id, server, upstream_id)))
    return std::nullopt;
  return upstream_id;
}

std::string session_label(std::string_view upstream_id) {
  return "mcp-" + base::to_hex(base::sha256(upstream_id)).substr(0, 32);
}

}  // namespace tollgate::pipeline
