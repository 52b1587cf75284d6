#pragma once

#include <chrono>
#include <string>

#include "support/transport.hpp"

namespace tollgate::testing {

/// PEM files of one certificate.
struct CertificateFiles {
  std::string certificate;
  std::string private_key;
};

/// What a leaf says about itself.
struct LeafOptions {
  std::string common_name = "localhost";
  /// OpenSSL's subjectAltName syntax.
  std::string alt_names = "DNS:localhost,IP:127.0.0.1";
  /// Validity relative to now.
  std::chrono::hours not_before{-1};
  std::chrono::hours not_after{24};
};

/// A certificate authority made for one test: EC P-256, valid for a day, all files below
/// `directory`.
///
/// Throws std::runtime_error when OpenSSL refuses; a test without its certificates has no meaning.
class TestCa {
 public:
  explicit TestCa(std::string directory);
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;
  ~TestCa();

  [[nodiscard]] const std::string& ca_file() const noexcept { return ca_file_; }
  /// Writes `<name>.pem` and `<name>.key`.
  CertificateFiles issue(const std::string& name, const LeafOptions& options = {});

 private:
  std::string directory_;
  std::string ca_file_;
  X509* certificate_ = nullptr;
  EVP_PKEY* key_ = nullptr;
  long next_serial_ = 2;
};

/// A server context with this certificate. `client_ca` not empty: a client certificate is required.
[[nodiscard]] SslCtxPtr server_context(const CertificateFiles& files,
                                       const std::string& client_ca = "");
/// A client context that trusts only `ca_file`; `files` may name a client certificate.
[[nodiscard]] SslCtxPtr client_context(const std::string& ca_file,
                                       const CertificateFiles& files = {});

}  // namespace tollgate::testing
