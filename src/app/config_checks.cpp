#include "app/config_checks.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "app/place_checks.hpp"
#include "app/problems.hpp"
#include "tollgate/domain/policy/engine.hpp"
#include "tollgate/net/tls_contexts.hpp"

namespace tollgate::app {
namespace {

void add_guardrails(Problems& problems, const config::Snapshot& snapshot) {
  for (const auto& fault : domain::policy::validate(snapshot.guardrails)) {
    const config::GuardRule& rule =
        snapshot.guardrails.at(fault.guardrail).rules.at(fault.rule_index);
    const bool is_regex = rule.kind == config::RuleKind::regex;
    add(problems, rule.path + (is_regex ? ".regex" : ""),
        is_regex ? fmt::format("does not compile ({})", fault.message) : fault.message,
        is_regex ? "a pattern as docs/guardrails.md describes, without look-around and "
                   "back-references"
                 : "");
  }
}

/// The keys that name a profile's files, by net::TlsFile.
struct FileKeys {
  const char* certificate;
  const char* private_key;
  const char* ca;
};
constexpr FileKeys kListenerKeys{"certificate_file", "private_key_file", "client_ca_file"};
constexpr FileKeys kUpstreamKeys{"client_certificate_file", "client_key_file", "ca_file"};

template <class Profile>
void add_tls(Problems& problems, const std::string& parent, const FileKeys& keys,
             const Profile& profile) {
  for (auto& fault : net::tls_faults(profile)) {
    const char* key = keys.certificate;
    if (fault.file == net::TlsFile::private_key) key = keys.private_key;
    if (fault.file == net::TlsFile::ca) key = keys.ca;
    add(problems, fmt::format("{}.{}", parent, key), std::move(fault.what),
        std::move(fault.expected));
  }
}

void add_certificates(Problems& problems, const config::Snapshot& snapshot) {
  for (std::size_t i = 0; i < snapshot.listeners.size(); ++i)
    if (snapshot.listeners[i].tls)
      add_tls(problems, fmt::format("listeners[{}].tls", i), kListenerKeys,
              *snapshot.listeners[i].tls);
  const auto upstreams = [&](const char* section, const auto& entries) {
    for (const auto& [name, entry] : entries)
      if (entry.origin.scheme == "https")
        add_tls(problems, fmt::format("{}.{}", section, name), kUpstreamKeys, entry.origin.tls);
  };
  upstreams("providers", snapshot.providers);
  upstreams("mcp_servers", snapshot.mcp_servers);
  upstreams("a2a_agents", snapshot.a2a_agents);
}

/// Why nobody could listen on the IP address `host`, whatever the port; empty: one can.
std::string not_listenable(const std::string& host) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), "0", &hints, &found); code != 0)
    return ::gai_strerror(code);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool good = fd >= 0 && ::bind(fd, found->ai_addr, found->ai_addrlen) == 0;
  std::string why = good ? "" : std::generic_category().message(errno);
  if (fd >= 0) ::close(fd);
  ::freeaddrinfo(found);
  return why;
}

void add_addresses(Problems& problems, const config::Snapshot& snapshot) {
  const auto judge = [&problems](std::string path, const std::string& host) {
    if (const std::string why = not_listenable(host); !why.empty())
      add(problems, std::move(path), fmt::format("cannot be listened on: {}", why),
          "an address of this machine, or 0.0.0.0 or [::] for all of them");
  };
  for (std::size_t i = 0; i < snapshot.listeners.size(); ++i)
    judge(fmt::format("listeners[{}].address", i), snapshot.listeners[i].host);
  if (snapshot.admin.enabled) judge("admin.address", snapshot.admin.host);
}

}  // namespace

std::vector<config::Problem> serving_problems(const config::Snapshot& snapshot,
                                              const std::vector<config::SourceFile>& sources,
                                              const config::Snapshot* running) {
  Problems problems;
  add_guardrails(problems, snapshot);
  add_certificates(problems, snapshot);
  if (running == nullptr) add_addresses(problems, snapshot);  // bound at the start alone
  add_places(problems, snapshot, sources, running);
  return problems;
}

}  // namespace tollgate::app
