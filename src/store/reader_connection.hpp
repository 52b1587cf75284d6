#pragma once

#include <cstddef>
#include <string>

#include "store/sqlite.hpp"
#include "tollgate/store/audit_reader.hpp"

namespace tollgate::store {

/// The read-only connection behind an AuditReader, with the time limit of its queries.
class AuditReader::Connection {
 public:
  Connection(const std::string& path, const ReaderOptions& options);
  [[nodiscard]] base::Result<void> open();
  [[nodiscard]] base::Error error(int rc) const;

  /// Starts the clock of one query, and stops it at the end of the scope. Long readers keep the
  /// write-ahead log from being reused, so no query runs without it. One that asks about many
  /// things at once has the limit for each thousand of them.
  class Limited {
   public:
    explicit Limited(Connection& connection, std::size_t asked = 0);
    Limited(const Limited&) = delete;
    Limited& operator=(const Limited&) = delete;
    ~Limited();

   private:
    Connection& connection_;
  };

  std::string path;
  std::string directory;
  FileSystem& files;
  const base::Clock& clock;
  std::chrono::milliseconds time_limit;
  base::Deadline deadline;
  Database db;
};

}  // namespace tollgate::store
