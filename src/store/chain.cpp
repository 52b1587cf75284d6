#include <cstring>

#include "store/audit_row.hpp"
#include "store/reader_connection.hpp"

namespace tollgate::store {
namespace {

struct Mark {
  std::int64_t seq = 0;
  base::Sha256Digest hash{};
};

bool read_mark(Database& db, const char* sql, Mark& out) {
  Statement row;
  if (db.prepare(sql, row) != SQLITE_OK || row.step() != SQLITE_ROW) return false;
  out.seq = row.integer(0);
  if (row.text(1).size() != out.hash.size()) return false;
  std::memcpy(out.hash.data(), row.text(1).data(), out.hash.size());
  return true;
}

}  // namespace

base::Result<ChainReport> AuditReader::verify_chain() {
  Database& db = connection_->db;
  // One snapshot: the writer goes on, and retention may move the anchor.
  if (const int rc = db.exec("BEGIN")) return connection_->error(rc);
  struct End {
    Database& db;
    ~End() { db.rollback(); }
  } const end{db};

  Mark anchor;
  Mark head;
  ChainReport report;
  if (!read_mark(db, "SELECT at, hash FROM mark WHERE name='chain_anchor'", anchor) ||
      !read_mark(db, "SELECT at, hash FROM mark WHERE name='chain_head'", head)) {
    report.problem = "the marks of the chain are missing";
    return report;
  }
  Statement row;
  if (const int rc = db.prepare(audit_select_sql() + "ORDER BY seq", row)) {
    return connection_->error(rc);
  }
  const int hash_column = static_cast<int>(audit_columns().size()) - 1;
  const auto broken = [&](std::int64_t seq, std::string problem) {
    report.broken_seq = seq;
    report.problem = std::move(problem);
    return report;
  };
  CanonicalForm buffer;
  Mark previous = anchor;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) {
    const std::int64_t seq = row.integer(0);
    if (seq != previous.seq + 1) {
      return broken(seq, "rows " + std::to_string(previous.seq + 1) + " to " +
                             std::to_string(seq - 1) + " are missing");
    }
    base::Sha256Digest hash{};
    if (!hash_audit_row(row, previous.hash, buffer, hash)) {
      return broken(seq, "row " + std::to_string(seq) + " has an unknown row_version");
    }
    const std::string_view stored = row.text(hash_column);
    if (stored.size() != hash.size() || std::memcmp(stored.data(), hash.data(), hash.size()) != 0) {
      return broken(seq, "row " + std::to_string(seq) + " or the one before it was changed");
    }
    if (report.rows++ == 0) report.first_seq = seq;
    report.last_seq = seq;
    previous = {seq, hash};
  }
  if (rc != SQLITE_DONE) return connection_->error(rc);
  report.head = previous.hash;
  if (previous.seq != head.seq || previous.hash != head.hash) {
    return broken(previous.seq + 1, "the newest rows are missing: the chain ends at " +
                                        std::to_string(previous.seq) + ", its head is " +
                                        std::to_string(head.seq));
  }
  return report;
}

}  // namespace tollgate::store
