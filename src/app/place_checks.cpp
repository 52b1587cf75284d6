#include "app/place_checks.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "app/port_file.hpp"
#include "app/problems.hpp"
#include "tollgate/store/audit_files.hpp"

namespace tollgate::app {
namespace {

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

/// Whether the gateway can make `file`; adds the problem when not.
bool is_makeable(Problems& problems, const std::string& path, const std::string& file) {
  const std::string why = not_makeable(file);
  if (!why.empty())
    add(problems, path, fmt::format("cannot be made: {}", why),
        "a file in a folder that the gateway's user may write to");
  return why.empty();
}

void add_audit(Problems& problems, const std::string& file) {
  struct stat info {};
  if (file.empty() || !is_makeable(problems, "audit.path", file) || !exists(file, info)) return;
  if (::access(file.c_str(), R_OK | W_OK) != 0) {
    add(problems, "audit.path", fmt::format("cannot be opened: {}", message(errno)),
        "a database that the gateway's user may read and write");
    return;
  }
  if (std::string why = store::audit_file_fault(file); !why.empty())
    add(problems, "audit.path", std::move(why), "a name that is free, or a database of Tollgate's");
}

void add_control_socket(Problems& problems, const std::string& file) {
  struct stat info {};
  if (file.empty() || !is_makeable(problems, "control_socket", file)) return;
  if (::lstat(file.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode))
    add(problems, "control_socket", "names a file that is no socket",
        "a name that is free, or the socket of an earlier start");
}

void add_port_file(Problems& problems, const std::string& path, const std::string& file) {
  if (!is_makeable(problems, path, file)) return;
  if (const std::string why = port_file_fault(file); !why.empty())
    add(problems, path, why, "a name that is free, or the port file of an earlier start");
}

/// A file the gateway makes, and others it makes with it.
struct Made {
  std::string path;
  std::string file;
  std::string aside;  ///< empty: none
};

/// Every port file that will be written.
std::vector<Made> port_files(const config::Snapshot& snapshot) {
  std::vector<Made> files;
  const auto add_one = [&files](std::string path, const std::string& file) {
    if (!file.empty()) files.push_back({std::move(path), file, port_file_aside(file)});
  };
  for (std::size_t i = 0; i < snapshot.listeners.size(); ++i)
    add_one(fmt::format("listeners[{}].port_file", i), snapshot.listeners[i].port_file);
  if (snapshot.admin.enabled) add_one("admin.port_file", snapshot.admin.port_file);
  return files;
}

/// One spelling for every name of a file, whether it is there or not.
std::string canonical(const std::string& file) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(file, error);
  const std::filesystem::path whole = std::filesystem::weakly_canonical(absolute, error);
  return (error ? absolute.lexically_normal() : whole).string();
}

/// What is written in two places, or is both written and read, ends as one of the two at best; the
/// record of calls and money ends as a port number.
void add_shared(Problems& problems, const config::Snapshot& snapshot,
                const std::vector<config::SourceFile>& sources) {
  std::vector<Made> made = port_files(snapshot);
  if (!snapshot.control_socket.empty())
    made.insert(made.begin(), {"control_socket", snapshot.control_socket, ""});
  for (Made& one : made) {
    one.file = canonical(one.file);
    if (!one.aside.empty()) one.aside = canonical(one.aside);
  }
  const std::string audit = snapshot.audit.path.empty() ? "" : canonical(snapshot.audit.path);
  const auto is_of_audit = [&](const std::string& file) {
    return !audit.empty() && store::is_audit_file(audit, file);
  };
  const auto uses = [](const Made& one, const std::string& file) {
    return !file.empty() && (one.file == file || one.aside == file);
  };
  const auto shared = [&problems](const std::string& path, const std::string& other) {
    add(problems, path,
        other.empty() ? "names the configuration file"
                      : fmt::format("names a file that {} uses", other),
        "a file of its own");
  };
  for (const config::SourceFile& source : sources) {
    const std::string file = canonical(source.file);
    if (is_of_audit(file)) shared("audit.path", source.path);
    for (const Made& one : made)
      if (uses(one, file)) shared(one.path, source.path);
  }
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (is_of_audit(made[i].file) || (!made[i].aside.empty() && is_of_audit(made[i].aside)))
      shared(made[i].path, "audit.path");
    for (std::size_t k = 0; k < i; ++k)
      if (uses(made[k], made[i].file) || uses(made[k], made[i].aside))
        shared(made[i].path, made[k].path);
  }
}

}  // namespace

void add_places(Problems& problems, const config::Snapshot& snapshot,
                const std::vector<config::SourceFile>& sources, const config::Snapshot* running) {
  add_shared(problems, snapshot, sources);
  if (running == nullptr || running->audit.path != snapshot.audit.path)
    add_audit(problems, snapshot.audit.path);
  if (running == nullptr || running->control_socket != snapshot.control_socket)
    add_control_socket(problems, snapshot.control_socket);
  if (running != nullptr) return;  // port files are written at the start alone
  for (const Made& one : port_files(snapshot)) add_port_file(problems, one.path, one.file);
}

}  // namespace tollgate::app
