#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/commands.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/protocol/http/ip_address.hpp"

namespace tollgate::app::cli {
namespace {
namespace cert_command {

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
  void operator()(std::FILE* p) const { std::fclose(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using File = std::unique_ptr<std::FILE, Free>;

[[noreturn]] void fail(const char* what) {
  char text[160];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  throw std::runtime_error(fmt::format("{}: {}", what, text));
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  if (!key) fail("cannot make a key");
  return key;
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1)
    fail("cannot add an extension");
}

/// A certificate for `key`, signed by `issuer_key`; without an issuer it is its own (a CA).
Certificate make_certificate(EVP_PKEY* key, const std::string& name, X509* issuer,
                             EVP_PKEY* issuer_key, const std::string& alt_names, int days) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  std::array<std::uint8_t, 16> serial{};
  base::random_bytes(serial);
  serial[0] &= 0x7f;
  BIGNUM* const number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  // An hour of slack for clocks that are behind.
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * 86'400L);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509* const signer = issuer != nullptr ? issuer : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  if (issuer == nullptr) {
    add_extension(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(certificate.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    add_extension(certificate.get(), signer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate.get(), signer, NID_key_usage, "critical,digitalSignature");
    add_extension(certificate.get(), signer, NID_ext_key_usage, "serverAuth,clientAuth");
    add_extension(certificate.get(), signer, NID_subject_alt_name, alt_names);
  }
  add_extension(certificate.get(), signer, NID_subject_key_identifier, "hash");
  add_extension(certificate.get(), signer, NID_authority_key_identifier, "keyid:always");
  if (X509_sign(certificate.get(), issuer_key, EVP_sha256()) == 0) fail("cannot sign");
  return certificate;
}

File open_new(const std::filesystem::path& path, mode_t mode, bool force) {
  if (!force && std::filesystem::exists(path))
    throw std::runtime_error(fmt::format("{} exists; --force replaces it", path.string()));
  const mode_t before = ::umask(0777 & ~mode);
  File file(std::fopen(path.c_str(), "w"));
  ::umask(before);
  if (!file) throw std::runtime_error(fmt::format("cannot write {}", path.string()));
  return file;
}

void write_pair(const std::filesystem::path& directory, const std::string& stem, EVP_PKEY* key,
                X509* certificate, bool force) {
  const File key_file = open_new(directory / (stem + ".key"), 0600, force);
  if (PEM_write_PrivateKey(key_file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    fail("cannot write the key");
  const File certificate_file = open_new(directory / (stem + ".crt"), 0644, force);
  if (PEM_write_X509(certificate_file.get(), certificate) != 1)
    fail("cannot write the certificate");
}

bool is_address(const std::string& host) {
  return protocol::http::IpAddress::parse(host).has_value();
}

/// A name as certificates carry it: labels of letters, digits, '-' and '_', the first may be `*`.
bool is_dns_name(std::string_view host) {
  constexpr std::size_t kMostBytes = 253, kMostInLabel = 63;
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kInLabel =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  if (host.size() > kMostBytes) return false;
  if (host.starts_with("*.")) host.remove_prefix(2);
  const auto labels = base::split(host, '.');
  // What ends in a number is an address, and not a good one.
  return labels.back().find_first_not_of(kDigits) != std::string_view::npos &&
         std::all_of(labels.begin(), labels.end(), [&](std::string_view label) {
           return !label.empty() && label.size() <= kMostInLabel && label.front() != '-' &&
                  label.back() != '-' &&
                  label.find_first_not_of(kInLabel) == std::string_view::npos;
         });
}

/// What CLI11 prints behind the option's name; empty when good.
std::string host_problem(const std::string& host) {
  if (is_address(host) || is_dns_name(host)) return {};
  return fmt::format("\"{}\" is neither a DNS name nor an IP address", base::printable(host));
}

int make_dev(const std::string& directory, const std::vector<std::string>& hosts, int days,
             bool force) {
  std::filesystem::create_directories(directory);
  std::string alt_names;
  for (const std::string& host : hosts) {
    if (!alt_names.empty()) alt_names += ',';
    alt_names += (is_address(host) ? "IP:" : "DNS:") + host;
  }
  const Key ca_key = make_key();
  const Certificate ca =
      make_certificate(ca_key.get(), "Tollgate development CA", nullptr, ca_key.get(), "", days);
  write_pair(directory, "ca", ca_key.get(), ca.get(), force);
  const Key server_key = make_key();
  // A common name has room for 64 bytes; clients read the alternative names.
  const std::string name = hosts.front().size() <= ub_common_name ? hosts.front() : "tollgate-dev";
  const Certificate server =
      make_certificate(server_key.get(), name, ca.get(), ca_key.get(), alt_names, days);
  write_pair(directory, "server", server_key.get(), server.get(), force);
  const Key client_key = make_key();
  const Certificate client = make_certificate(client_key.get(), "tollgate-dev-client", ca.get(),
                                              ca_key.get(), "DNS:client.invalid", days);
  write_pair(directory, "client", client_key.get(), client.get(), force);
  fmt::print(
      "wrote {0}/ca.crt, {0}/server.crt, {0}/client.crt and their keys ({1} days)\n"
      "listener:  tls: {{certificate_file: {0}/server.crt, private_key_file: {0}/server.key}}\n"
      "agents:    SSL_CERT_FILE={0}/ca.crt or NODE_EXTRA_CA_CERTS={0}/ca.crt\n",
      directory, days);
  return kOk;
}

struct Options {
  std::string directory = "data/tls";
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  int days = 90;
  bool force = false;
};

}  // namespace cert_command
}  // namespace

void add_cert(CLI::App& app, Action& action) {
  using namespace cert_command;
  CLI::App* const cert = app.add_subcommand("cert", "Certificates for development");
  cert->require_subcommand(1);
  CLI::App* const dev = cert->add_subcommand(
      "dev", "Make a development CA, a server and a client certificate (not for production)");
  auto options = std::make_shared<Options>();
  dev->add_option("--dir,--out", options->directory, "Where to write")->capture_default_str();
  dev->add_option("--host", options->hosts, "Names and addresses of the server")
      ->check(CLI::Validator(host_problem, "NAME or ADDRESS"))
      ->capture_default_str();
  dev->add_option("--days", options->days, "Validity")
      ->check(CLI::Range(1, 825))
      ->capture_default_str();
  dev->add_flag("--force", options->force, "Replace files that exist");
  dev->callback([options, &action] {
    action = [options] {
      return make_dev(options->directory, options->hosts, options->days, options->force);
    };
  });
}

}  // namespace tollgate::app::cli
