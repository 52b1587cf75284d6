#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "tollgate/config/load.hpp"

namespace tollgate::config {
namespace {

/// An open file that closes itself.
class File {
 public:
  explicit File(const std::string& path)
      // Non-blocking: opening a FIFO named by mistake must not hang the start.
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }

  /// Empty when open and a regular file.
  [[nodiscard]] std::string fault() const {
    if (fd_ < 0) return std::generic_category().message(open_errno_);
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return std::generic_category().message(errno);
    return S_ISREG(info.st_mode) ? "" : "not a regular file";
  }

 private:
  int fd_;
  int open_errno_ = errno;
};

}  // namespace

std::optional<std::string> SystemEnv::variable(const std::string& name) const {
  // Read at start and reload only, and nothing in this process calls setenv.
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::optional<std::string> SystemEnv::read_file(const std::string& path, std::size_t max_bytes,
                                                std::string& why) const {
  const File file(path);
  why = file.fault();
  if (!why.empty()) return std::nullopt;
  std::string text;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(file.fd(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      why = std::generic_category().message(errno);
      return std::nullopt;
    }
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > max_bytes) {
      why = "larger than " + std::to_string(max_bytes) + " bytes";
      return std::nullopt;
    }
  }
}

std::string SystemEnv::unreadable(const std::string& path) const {
  return File(path).fault();
}

}  // namespace tollgate::config
