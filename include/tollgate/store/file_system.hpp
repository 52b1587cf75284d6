#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::store {

/// The few file operations of the body segments, as an interface so that tests can make each fail.
///
/// Errors are errno values, 0 = success. SQLite's own files do not pass through here (StoreOptions
/// names a VFS for that). Threads: a FileSystem may be used from several, a File from one at a
/// time.
class FileSystem {
 public:
  class File {
   public:
    virtual ~File() = default;
    /// Writes all pieces one after the other at `offset`; on an error part of them may be there.
    virtual int write_at(std::uint64_t offset, std::span<const std::string_view> pieces) = 0;
    virtual int read_at(std::uint64_t offset, std::span<char> into, std::size_t& got) = 0;
    virtual int truncate(std::uint64_t size) = 0;
    virtual int sync() = 0;  ///< fdatasync
    virtual int size(std::uint64_t& out) = 0;
  };
  enum class Mode : std::uint8_t { read, write, create_empty };

  virtual ~FileSystem() = default;
  /// `create_empty` truncates what is there; files are made with mode 0600.
  virtual int open(const std::string& path, Mode mode, std::unique_ptr<File>& out) = 0;
  virtual int remove(const std::string& path) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int list(const std::string& directory, std::vector<std::string>& names) = 0;
  /// Bytes an unprivileged process may still write to the file system that holds `path`.
  virtual int free_bytes(const std::string& path, std::uint64_t& out) = 0;
};

/// The machine's own file system. Lives as long as the process.
[[nodiscard]] FileSystem& posix_file_system() noexcept;

}  // namespace tollgate::store
