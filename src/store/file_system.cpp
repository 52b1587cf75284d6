#include "tollgate/store/file_system.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

namespace tollgate::store {
namespace {

class PosixFile final : public FileSystem::File {
 public:
  explicit PosixFile(int fd) noexcept : fd_(fd) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override { ::close(fd_); }

  int write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    std::array<iovec, 256> vectors;
    std::size_t next = 0;
    std::size_t skip = 0;  // bytes of pieces[next] already written
    while (next < pieces.size()) {
      int count = 0;
      for (std::size_t i = next; i < pieces.size() && count < static_cast<int>(vectors.size());
           ++i) {
        const std::string_view piece = i == next ? pieces[i].substr(skip) : pieces[i];
        vectors[static_cast<std::size_t>(count)].iov_base = const_cast<char*>(piece.data());
        vectors[static_cast<std::size_t>(count)].iov_len = piece.size();
        ++count;
      }
      const ssize_t written = ::pwritev(fd_, vectors.data(), count, static_cast<off_t>(offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return errno;
      }
      offset += static_cast<std::uint64_t>(written);
      std::size_t left = static_cast<std::size_t>(written) + skip;
      while (next < pieces.size() && left >= pieces[next].size()) left -= pieces[next++].size();
      if (written == 0 && next < pieces.size()) return ENOSPC;
      skip = left;
    }
    return 0;
  }

  int read_at(std::uint64_t offset, std::span<char> into, std::size_t& got) override {
    got = 0;
    while (got < into.size()) {
      const ssize_t n =
          ::pread(fd_, into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
      if (n < 0) {
        if (errno == EINTR) continue;
        return errno;
      }
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    return 0;
  }

  int truncate(std::uint64_t size) override {
    return ::ftruncate(fd_, static_cast<off_t>(size)) == 0 ? 0 : errno;
  }
  int sync() override { return ::fdatasync(fd_) == 0 ? 0 : errno; }
  int size(std::uint64_t& out) override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return errno;
    out = static_cast<std::uint64_t>(info.st_size);
    return 0;
  }

 private:
  int fd_;
};

class PosixFileSystem final : public FileSystem {
 public:
  int open(const std::string& path, Mode mode, std::unique_ptr<File>& out) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case Mode::read:
        flags |= O_RDONLY;
        break;
      case Mode::write:
        flags |= O_RDWR | O_CREAT;
        break;
      case Mode::create_empty:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        break;
    }
    const int fd = ::open(path.c_str(), flags, 0600);
    if (fd < 0) return errno;
    out = std::make_unique<PosixFile>(fd);
    return 0;
  }
  int remove(const std::string& path) override { return ::unlink(path.c_str()) == 0 ? 0 : errno; }
  int rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  }
  int list(const std::string& directory, std::vector<std::string>& names) override {
    names.clear();
    DIR* const dir = ::opendir(directory.c_str());
    if (dir == nullptr) return errno;
    // readdir is safe here: the stream is this function's own.
    while (const dirent* entry = ::readdir(dir))  // NOLINT(concurrency-mt-unsafe)
      names.emplace_back(entry->d_name);
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    return 0;
  }
  int free_bytes(const std::string& path, std::uint64_t& out) override {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return errno;
    out = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
    return 0;
  }
};

}  // namespace

FileSystem& posix_file_system() noexcept {
  static PosixFileSystem instance;
  return instance;
}

}  // namespace tollgate::store
