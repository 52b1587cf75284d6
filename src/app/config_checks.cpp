#include "app/config_checks.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "tollgate/domain/policy/engine.hpp"
#include "tollgate/net/tls_contexts.hpp"

namespace tollgate::app {
namespace {

using Problems = std::vector<config::Problem>;

void add(Problems& problems, std::string path, std::string what, std::string expected) {
  config::Problem problem;
  problem.path = std::move(path);
  problem.what = std::move(what);
  problem.expected = std::move(expected);
  problems.push_back(std::move(problem));
}

void add_guardrails(Problems& problems, const config::Snapshot& snapshot) {
  for (const auto& fault : domain::policy::validate(snapshot.guardrails))
    add(problems, snapshot.guardrails.at(fault.guardrail).rules.at(fault.rule_index).path,
        fault.message, "");
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

std::string message(int code) {
  return std::generic_category().message(code);
}

bool exists(const std::filesystem::path& path, struct stat& info) {
  return ::stat(path.c_str(), &info) == 0;
}

/// Why this process could not make (or replace) `file`, with the folders it needs; empty: it could.
std::string not_makeable(const std::string& file) {
  struct stat info {};
  const std::filesystem::path path(file);
  std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (exists(path, info)) {
    if (S_ISDIR(info.st_mode)) return "is a folder";
    return ::access(folder.c_str(), W_OK | X_OK) == 0 ? "" : message(errno);
  }
  while (!exists(folder, info)) {
    // A link to nowhere, a folder that may not be entered, a file where a folder should be.
    if (errno != ENOENT || std::filesystem::is_symlink(std::filesystem::symlink_status(folder)))
      return message(errno);
    folder = folder.has_parent_path() ? folder.parent_path() : ".";
  }
  if (!S_ISDIR(info.st_mode)) return "a part of the path is not a folder";
  // Asking for permission is not enough: /proc, for one, grants root all and lets nobody make a
  // file.
  std::string probe = (folder / ".tollgate-XXXXXX").string();
  if (::mkdtemp(probe.data()) == nullptr)
    return errno == ENOSPC || errno == EDQUOT ? "" : message(errno);
  ::rmdir(probe.c_str());
  return "";
}

void add_places(Problems& problems, const config::Snapshot& snapshot,
                const config::Snapshot* running) {
  const auto place = [&](std::string path, const std::string& file) {
    if (file.empty()) return;  // none is asked for, or reported already
    if (const std::string why = not_makeable(file); !why.empty())
      add(problems, std::move(path), fmt::format("cannot be made: {}", why),
          "a file in a folder that the gateway's user may write to");
  };
  const bool same_audit = running != nullptr && running->audit.path == snapshot.audit.path;
  if (!same_audit) {
    const std::size_t before = problems.size();
    place("audit.path", snapshot.audit.path);
    struct stat info {};
    if (problems.size() == before && exists(snapshot.audit.path, info) &&
        ::access(snapshot.audit.path.c_str(), R_OK | W_OK) != 0)
      add(problems, "audit.path", fmt::format("cannot be opened: {}", message(errno)),
          "a database that the gateway's user may read and write");
  }
  if (running == nullptr || running->control_socket != snapshot.control_socket)
    place("control_socket", snapshot.control_socket);
  if (running != nullptr) return;  // port files are written at the start alone
  if (snapshot.admin.enabled) place("admin.port_file", snapshot.admin.port_file);
  for (std::size_t i = 0; i < snapshot.listeners.size(); ++i)
    place(fmt::format("listeners[{}].port_file", i), snapshot.listeners[i].port_file);
}

}  // namespace

std::vector<config::Problem> serving_problems(const config::Snapshot& snapshot,
                                              const config::Snapshot* running) {
  Problems problems;
  add_guardrails(problems, snapshot);
  add_certificates(problems, snapshot);
  add_places(problems, snapshot, running);
  return problems;
}

}  // namespace tollgate::app
