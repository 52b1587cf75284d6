#include "support/test_ca.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>

namespace tollgate::testing {
namespace {

[[noreturn]] void fail(const std::string& what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  throw std::runtime_error(what + ": " + text.data());
}

struct FileClose {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

std::unique_ptr<std::FILE, FileClose> open_for_write(const std::string& path) {
  std::unique_ptr<std::FILE, FileClose> file(std::fopen(path.c_str(), "w"));
  if (!file) throw std::runtime_error("cannot write " + path);
  return file;
}

X509* new_certificate(EVP_PKEY* key, const std::string& common_name, long serial,
                      std::chrono::hours from, std::chrono::hours to) {
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
  X509_gmtime_adj(X509_getm_notBefore(cert), std::chrono::seconds(from).count());
  X509_gmtime_adj(X509_getm_notAfter(cert), std::chrono::seconds(to).count());
  X509_set_pubkey(cert, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  return cert;
}

void add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str());
  if (extension == nullptr) fail("certificate extension " + value);
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestCa::TestCa(std::string directory) : directory_(std::move(directory)) {
  ca_file_ = directory_ + "/test-ca.pem";
  key_ = EVP_EC_gen("P-256");
  if (key_ == nullptr) fail("EC key");
  certificate_ =
      new_certificate(key_, "Tollgate test CA", 1, std::chrono::hours(-48), std::chrono::hours(48));
  X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_));
  add_extension(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate_, certificate_, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate_, certificate_, NID_subject_key_identifier, "hash");
  if (X509_sign(certificate_, key_, EVP_sha256()) == 0) fail("sign CA");
  PEM_write_X509(open_for_write(ca_file_).get(), certificate_);
}

TestCa::~TestCa() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

CertificateFiles TestCa::issue(const std::string& name, const LeafOptions& options) {
  const std::string base = directory_ + "/" + name;
  CertificateFiles files{base + ".pem", base + ".key"};
  EVP_PKEY* key = EVP_EC_gen("P-256");
  if (key == nullptr) fail("EC key");
  X509* cert = new_certificate(key, options.common_name, next_serial_++, options.not_before,
                               options.not_after);
  X509_set_issuer_name(cert, X509_get_subject_name(certificate_));
  add_extension(cert, certificate_, NID_subject_alt_name, options.alt_names);
  add_extension(cert, certificate_, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(cert, certificate_, NID_authority_key_identifier, "keyid");
  if (X509_sign(cert, key_, EVP_sha256()) == 0) fail("sign " + name);
  PEM_write_X509(open_for_write(files.certificate).get(), cert);
  PEM_write_PrivateKey(open_for_write(files.private_key).get(), key, nullptr, nullptr, 0, nullptr,
                       nullptr);
  X509_free(cert);
  EVP_PKEY_free(key);
  return files;
}

namespace {
void use_certificate(SSL_CTX* ctx, const CertificateFiles& files) {
  if (SSL_CTX_use_certificate_chain_file(ctx, files.certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, files.private_key.c_str(), SSL_FILETYPE_PEM) != 1) {
    fail("load " + files.certificate);
  }
}
}  // namespace

SslCtxPtr server_context(const CertificateFiles& files, const std::string& client_ca) {
  SslCtxPtr ctx(SSL_CTX_new(TLS_server_method()));
  use_certificate(ctx.get(), files);
  if (!client_ca.empty()) {
    if (SSL_CTX_load_verify_locations(ctx.get(), client_ca.c_str(), nullptr) != 1) fail(client_ca);
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return ctx;
}

SslCtxPtr client_context(const std::string& ca_file, const CertificateFiles& files) {
  SslCtxPtr ctx(SSL_CTX_new(TLS_client_method()));
  if (SSL_CTX_load_verify_locations(ctx.get(), ca_file.c_str(), nullptr) != 1) fail(ca_file);
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  if (!files.certificate.empty()) use_certificate(ctx.get(), files);
  return ctx;
}

}  // namespace tollgate::testing
