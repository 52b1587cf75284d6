#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tollgate/config/snapshot.hpp"

/// What is wrong with the files of a TLS profile, each by itself, before a context is needed.
///
/// Place:   start, reload and `tollgate check`. Reads the files; blocks. Threads: any.
namespace tollgate::net {

enum class TlsFile : std::uint8_t { certificate, private_key, ca };

struct TlsFault {
  TlsFile file = TlsFile::certificate;
  std::string what;      ///< "is not a PEM certificate (no start line)"; names no file
  std::string expected;  ///< "a PEM certificate chain, ..."
};

/// Everything that would keep make_client_context or make_server_context (upstream_pool.hpp) from
/// making a context of this profile. Files left empty are not looked at.
[[nodiscard]] std::vector<TlsFault> tls_faults(const config::UpstreamTls& profile);
[[nodiscard]] std::vector<TlsFault> tls_faults(const config::TlsServer& profile);

}  // namespace tollgate::net
