#include "tollgate/store/audit_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "store/schema.hpp"
#include "store/segments.hpp"

namespace tollgate::store {
namespace {

/// The header of the database (https://www.sqlite.org/fileformat.html) and the start of the page
/// that lists the tables.
using Head = std::array<unsigned char, 108>;
constexpr std::string_view kMagic{"SQLite format 3\0", 16};
constexpr std::size_t kUserVersion = 60, kApplication = 68, kTableCells = 103;

std::int64_t number_at(const Head& head, std::size_t at, std::size_t bytes) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | head[at + i];
  return value;
}

bool has_content(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && info.st_size > 0;
}

}  // namespace

bool is_audit_file(const std::string& audit_path, const std::string& file) {
  if (file.starts_with(audit_path)) {
    const std::string_view suffix = std::string_view(file).substr(audit_path.size());
    for (const std::string_view known : {"", "-wal", "-shm", "-journal", ".lock"})
      if (suffix == known) return true;
  }
  const auto slash = audit_path.rfind('/') + 1;
  return file.compare(0, slash, audit_path, 0, slash) == 0 &&
         is_segment_name(std::string_view(file).substr(slash));
}

std::string audit_file_fault(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "";
  if (!S_ISREG(info.st_mode)) return "is no regular file";
  if (info.st_size == 0) return "";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "cannot be opened: " + std::generic_category().message(errno);
  Head head{};
  const ssize_t got = ::read(fd, head.data(), head.size());
  ::close(fd);
  if (got != static_cast<ssize_t>(head.size()) ||
      std::string_view(reinterpret_cast<const char*>(head.data()), kMagic.size()) != kMagic)
    return "is no SQLite database";
  const std::int64_t application = number_at(head, kApplication, 4);
  // Before the first checkpoint what makes it ours is in the WAL alone.
  const bool is_fresh = number_at(head, kTableCells, 2) == 0 || has_content(path + "-wal");
  if (application != kApplicationId && (application != 0 || !is_fresh))
    return "is the database of another program";
  if (const std::int64_t version = number_at(head, kUserVersion, 4); version > newest_schema())
    return "has schema " + std::to_string(version) + ", this Tollgate knows up to " +
           std::to_string(newest_schema());
  return "";
}

}  // namespace tollgate::store
