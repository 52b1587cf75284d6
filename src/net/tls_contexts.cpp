#include <fmt/format.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <cstring>
#include <stdexcept>

#include "tollgate/net/upstream_pool.hpp"

namespace tollgate::net {
namespace {

// Mozilla's "intermediate" set of 2026 without DHE: AEAD and forward secrecy only.
constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

[[noreturn]] void fail(const char* what, const std::string& file, const error_code& error) {
  throw std::runtime_error(fmt::format("{} {}: {}", what, file, error.message()));
}

void load_pair(asio::ssl::context& context, const std::string& certificate,
               const std::string& key) {
  error_code error;
  context.use_certificate_chain_file(certificate, error);
  if (error) fail("cannot use certificate", certificate, error);
  context.use_private_key_file(key, asio::ssl::context::pem, error);
  if (error) fail("cannot use private key", key, error);
  if (SSL_CTX_check_private_key(context.native_handle()) != 1)
    throw std::runtime_error(
        fmt::format("private key {} does not match certificate {}", key, certificate));
}

int choose_http11(SSL*, const unsigned char** out, unsigned char* out_length,
                  const unsigned char* in, unsigned in_length, void*) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kHttp11, sizeof kHttp11, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::shared_ptr<asio::ssl::context> make_client_context(const config::UpstreamTls& profile) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context->native_handle(), kTls12Ciphers);
  error_code error;
  if (profile.verify) {
    context->set_verify_mode(asio::ssl::verify_peer);
    if (profile.ca_file.empty()) {
      context->set_default_verify_paths(error);
    } else {
      context->load_verify_file(profile.ca_file, error);
      if (error) fail("cannot use CA bundle", profile.ca_file, error);
    }
  } else {
    context->set_verify_mode(asio::ssl::verify_none);
  }
  if (!profile.certificate_file.empty())
    load_pair(*context, profile.certificate_file, profile.private_key_file);
  return context;
}

std::shared_ptr<asio::ssl::context> make_server_context(const config::TlsServer& profile) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, profile.allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_cipher_list(native, kTls12Ciphers);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_ANTI_REPLAY);
  // 0-RTT data can be replayed: never accepted.
  SSL_CTX_set_max_early_data(native, 0);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(native, choose_http11, nullptr);
  load_pair(*context, profile.certificate_file, profile.private_key_file);
  if (profile.client_auth != config::ClientAuth::none) {
    error_code error;
    context->load_verify_file(profile.client_ca_file, error);
    if (error) fail("cannot use client CA", profile.client_ca_file, error);
    auto mode = asio::ssl::verify_peer;
    if (profile.client_auth == config::ClientAuth::require)
      mode = asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert;
    context->set_verify_mode(mode);
    // Session resumption must not carry a client identity into another listener.
    static constexpr unsigned char kSessionScope[] = "tollgate";
    SSL_CTX_set_session_id_context(native, kSessionScope, sizeof kSessionScope - 1);
  }
  return context;
}

}  // namespace tollgate::net
