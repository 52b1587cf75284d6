#include "tollgate/net/tls_contexts.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

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

using Faults = std::vector<TlsFault>;

void note(Faults& faults, TlsFile file, std::string what, const error_code& error,
          const char* expected) {
  faults.push_back({file, fmt::format("{} ({})", what, error.message()), expected});
}

/// A daemon has nobody to ask for the passphrase; OpenSSL's own way is to ask on the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

void load_pair(asio::ssl::context& context, const std::string& certificate, const std::string& key,
               Faults& faults) {
  constexpr const char* kKeyForm = "a PEM private key without a passphrase";
  constexpr const char* kOtherKey = "is the key of another certificate";
  constexpr const char* kItsKey = "the private key of the certificate beside it";
  SSL_CTX_set_default_passwd_cb(context.native_handle(), no_passphrase);
  error_code error;
  bool paired = !certificate.empty() && !key.empty();
  if (!certificate.empty()) {
    context.use_certificate_chain_file(certificate, error);
    if (error) {
      note(faults, TlsFile::certificate, "is not a usable certificate", error,
           "a PEM certificate, followed by those between it and its CA");
      paired = false;
    }
  }
  if (!key.empty()) {
    context.use_private_key_file(key, asio::ssl::context::pem, error);
    // Of the certificate's kind but not its key: refused here. Of another kind: only below.
    const auto code = static_cast<unsigned long>(error.value());
    if (error && paired && ERR_GET_LIB(code) == ERR_LIB_X509 &&
        ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
      faults.push_back({TlsFile::private_key, kOtherKey, kItsKey});
      paired = false;
    } else if (error) {
      note(faults, TlsFile::private_key, "is not a usable private key", error, kKeyForm);
      paired = false;
    }
  }
  if (paired && SSL_CTX_check_private_key(context.native_handle()) != 1)
    faults.push_back({TlsFile::private_key, kOtherKey, kItsKey});
  ERR_clear_error();  // what was found is in `faults`; the thread's next user starts clean
}

void load_ca(asio::ssl::context& context, const std::string& file, Faults& faults) {
  if (file.empty()) return;
  error_code error;
  context.load_verify_file(file, error);
  if (error)
    note(faults, TlsFile::ca, "holds no usable certificate", error,
         "a PEM file of CA certificates");
}

/// A file that was good when the configuration was checked can have changed since.
template <class NameOf>
void throw_if_any(const Faults& faults, NameOf name_of) {
  std::string text;
  for (const TlsFault& fault : faults)
    text += fmt::format("{}{} {}; expected {}", text.empty() ? "" : "\n", name_of(fault.file),
                        fault.what, fault.expected);
  if (!text.empty()) throw std::runtime_error(text);
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

std::shared_ptr<asio::ssl::context> build(const config::UpstreamTls& profile, Faults& faults) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context->native_handle(), kTls12Ciphers);
  if (profile.verify) {
    context->set_verify_mode(asio::ssl::verify_peer);
    error_code ignored;  // a machine without a bundle of its own: handshakes will say so
    if (profile.ca_file.empty()) context->set_default_verify_paths(ignored);
    load_ca(*context, profile.ca_file, faults);
  } else {
    context->set_verify_mode(asio::ssl::verify_none);
  }
  load_pair(*context, profile.certificate_file, profile.private_key_file, faults);
  return context;
}

std::shared_ptr<asio::ssl::context> build(const config::TlsServer& profile, Faults& faults) {
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
  load_pair(*context, profile.certificate_file, profile.private_key_file, faults);
  if (profile.client_auth != config::ClientAuth::none) {
    load_ca(*context, profile.client_ca_file, faults);
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

template <class Profile>
const std::string& pair_file(const Profile& profile, TlsFile file) {
  return file == TlsFile::private_key ? profile.private_key_file : profile.certificate_file;
}

}  // namespace

std::vector<TlsFault> tls_faults(const config::UpstreamTls& profile) {
  Faults faults;
  // The machine's own bundle, which most upstreams use, takes milliseconds to read.
  if (profile.ca_file.empty() && profile.certificate_file.empty()) return faults;
  static_cast<void>(build(profile, faults));
  return faults;
}

std::vector<TlsFault> tls_faults(const config::TlsServer& profile) {
  Faults faults;
  static_cast<void>(build(profile, faults));
  return faults;
}

std::shared_ptr<asio::ssl::context> make_client_context(const config::UpstreamTls& profile) {
  Faults faults;
  auto context = build(profile, faults);
  throw_if_any(faults, [&](TlsFile file) {
    return file == TlsFile::ca ? profile.ca_file : pair_file(profile, file);
  });
  return context;
}

std::shared_ptr<asio::ssl::context> make_server_context(const config::TlsServer& profile) {
  Faults faults;
  auto context = build(profile, faults);
  throw_if_any(faults, [&](TlsFile file) {
    return file == TlsFile::ca ? profile.client_ca_file : pair_file(profile, file);
  });
  return context;
}

}  // namespace tollgate::net
