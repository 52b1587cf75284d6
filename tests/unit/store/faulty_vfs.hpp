#pragma once

#include <sqlite3.h>

namespace tollgate::store::testing {

/// Registers, once, a SQLite VFS over the default one whose writes fail on demand.
class FaultyVfs {
 public:
  static constexpr const char* kName = "tollgate-faulty";
  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;
  /// SQLITE_FULL, SQLITE_IOERR_WRITE...; SQLITE_OK = writes work. The first `after` writes still
  /// do.
  void fail_writes(int code, int after = 0);
  /// Writes seen since the last call of fail_writes.
  [[nodiscard]] int writes() const;
};

}  // namespace tollgate::store::testing
