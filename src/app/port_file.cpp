#include "app/port_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace tollgate::app {
namespace {

/// Nothing, or what write_port_file leaves behind. A file that cannot be looked at is another's.
bool is_replaceable(const std::string& file) {
  struct stat info {};
  if (::lstat(file.c_str(), &info) != 0) return errno == ENOENT;
  constexpr std::string_view kLongest = "65535\n";
  if (!S_ISREG(info.st_mode) || info.st_size > static_cast<off_t>(kLongest.size())) return false;
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  char text[kLongest.size()];
  const ssize_t got = ::read(fd, text, sizeof text);
  ::close(fd);
  return got >= 0 &&
         std::all_of(text, text + got, [](char c) { return (c >= '0' && c <= '9') || c == '\n'; });
}

std::runtime_error failed(const std::string& file) {
  return std::runtime_error(
      fmt::format("port_file {}: {}", file, std::generic_category().message(errno)));
}

}  // namespace

std::string port_file_aside(const std::string& file) {
  return file + ".tmp";
}

std::string port_file_fault(const std::string& file) {
  if (!is_replaceable(file)) return "names a file that holds something else than a port";
  if (!is_replaceable(port_file_aside(file)))
    return "is written by way of a file with .tmp behind its name, and that holds something else "
           "than a port";
  return "";
}

void write_port_file(const std::string& file, std::uint16_t port) {
  if (const std::string why = port_file_fault(file); !why.empty())
    throw std::runtime_error(fmt::format("port_file {}: {}", file, why));
  const std::string aside = port_file_aside(file);
  ::unlink(aside.c_str());  // of a start that was killed
  constexpr mode_t kForAll = 0666;
  const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kForAll);
  if (fd < 0) throw failed(aside);
  const std::string text = fmt::format("{}\n", port);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!written || std::rename(aside.c_str(), file.c_str()) != 0) throw failed(file);
}

}  // namespace tollgate::app
