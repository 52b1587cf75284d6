#include "store/batch_writer.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <unordered_set>

#include "store/schema.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::store {
namespace {

// All columns in the table's order, `id` as the NULL that stands for the next: else SQLite copies
// the values once more.
constexpr std::string_view kInsertLedger =
    "INSERT OR ROLLBACK INTO ledger(id,call_id,charge,charged_us,nusd,calls,kind,estimated,overrun,"
    "key_id,agent,team,org,model,provider,tokens,scopes) SELECT * FROM ledger_rows_to_write";
constexpr std::string_view kAddSpend =
    "INSERT OR ROLLBACK INTO spend_quarter(scope_kind,scope_id,quarter_us,nusd,calls,tokens) "
    "SELECT * FROM spend_rows_to_write WHERE true ON CONFLICT DO UPDATE SET ";
constexpr std::string_view kAddEvent =
    "INSERT INTO event(at_us,kind,scope_kind,scope_id,budget,detail) VALUES(?,?,?,?,?,?)";
constexpr std::string_view kAddUnauthenticated =
    "INSERT INTO unauthenticated(second,reason,count,first_address) VALUES(?,?,?,?) "
    "ON CONFLICT DO UPDATE SET count = count + excluded.count";
constexpr std::string_view kSetSegment =
    "INSERT INTO segment(id,state,last_seq,raw_bytes,file_bytes) VALUES(?1,'open',?2,?3,?3) "
    "ON CONFLICT(id) DO UPDATE SET last_seq=?2, raw_bytes=?3, file_bytes=?3";

/// The highest segment number among files left in the directory: never written over, even when the
/// database beside them is new.
std::int64_t highest_segment_file(FileSystem& files, const std::string& directory) {
  std::vector<std::string> names;
  std::int64_t highest = 0;
  if (files.list(directory, names) != 0) return highest;
  for (const std::string& name : names) {
    if (is_segment_name(name)) {
      highest = std::max<std::int64_t>(highest, std::strtoll(name.c_str() + 6, nullptr, 10));
    }
  }
  return highest;
}

/// Whether a statement failed for what it was given, not for the state of the file or the disk.
bool is_about_rows(int rc) noexcept {
  const int primary = rc & 0xff;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH;
}

/// The same of one row of `audit`, by the extended code. A `seq` that is taken is no fault of the
/// row: the chain's head does not fit the table, and no row would do.
bool is_about_record(int extended) noexcept {
  return is_about_rows(extended) && extended != SQLITE_CONSTRAINT_PRIMARYKEY &&
         extended != SQLITE_CONSTRAINT_ROWID;
}

/// Adds a record without a row to the line about them, which names the first.
void note_rejected(CommitResult& result, std::string_view id, std::string_view why) {
  if (result.rejected++ == 0) result.rejected_why = std::string(id) + ": " + std::string(why);
}

}  // namespace

BatchWriter::BatchWriter(Database& db, FileSystem& files, std::string directory)
    : db_(db), files_(files), directory_(directory), segment_(files, std::move(directory)) {}

base::Result<void> BatchWriter::prepare() {
  const auto unusable = [&] {
    return base::Error(base::ErrorCode::audit_unavailable,
                       "cannot use the audit database: " + db_.error_text());
  };
  if (register_source(db_, "audit_rows_to_write", kAuditColumns, audit_rows_) != SQLITE_OK ||
      register_source(db_, "ledger_rows_to_write", LedgerRows::kColumns, ledger_rows_) !=
          SQLITE_OK ||
      register_source(db_, "spend_rows_to_write", SpendRows::kColumns, spend_rows_) != SQLITE_OK ||
      spans_.prepare(db_) != SQLITE_OK) {
    return unusable();
  }
  const std::pair<std::string, Statement*> statements[] = {
      {"BEGIN IMMEDIATE", &begin_},
      {"COMMIT", &commit_},
      {audit_insert_sql("audit_rows_to_write"), &insert_audit_},
      {std::string(kInsertLedger), &insert_ledger_},
      {std::string(kAddSpend) + add_amounts_sql(), &add_spend_},
      {std::string(kAddEvent), &add_event_},
      {"INSERT OR IGNORE INTO ledger_quarter(quarter_us,first_id) VALUES(?,?)", &add_quarter_},
      {std::string(kAddUnauthenticated), &add_unauthenticated_},
      {"UPDATE mark SET at=?, hash=? WHERE name='chain_head'", &set_head_},
      {"UPDATE mark SET at=max(at, ?) WHERE name='ledger_newest'", &set_newest_},
      {std::string(kSetSegment), &set_segment_},
      {"UPDATE segment SET state='closed' WHERE id=? AND state='open'", &close_segment_},
  };
  for (const auto& [sql, statement] : statements) {
    if (db_.prepare_kept(sql, *statement) != SQLITE_OK) return unusable();
  }
  Statement head;
  if (db_.prepare("SELECT at, hash FROM mark WHERE name='chain_head'", head) != SQLITE_OK ||
      head.step() != SQLITE_ROW || head.text(1).size() != chain_.hash.size()) {
    return base::Error(base::ErrorCode::audit_unavailable,
                       "the audit database has no chain head: " + db_.error_text());
  }
  chain_.seq = head.integer(0);
  std::memcpy(chain_.hash.data(), head.text(1).data(), chain_.hash.size());
  head.reset();

  last_segment_ = std::max(db_.scalar("SELECT coalesce(max(id), 0) FROM segment"),
                           highest_segment_file(files_, directory_));
  Statement open;
  db_.prepare("SELECT id, raw_bytes FROM segment WHERE state='open' ORDER BY id DESC", open);
  while (open.step() == SQLITE_ROW) {
    const SegmentCursor cursor{open.integer(0), static_cast<std::uint64_t>(open.integer(1))};
    if (cursor_.id == 0 && segment_.resume(cursor)) {
      cursor_ = cursor;
      continue;
    }
    close_segment_.bind(1, cursor.id);
    close_segment_.run();
  }
  open.reset();
  Statement closed;
  db_.prepare("SELECT id FROM segment WHERE state='closed' ORDER BY id", closed);
  while (closed.step() == SQLITE_ROW) closed_.push_back(closed.integer(0));
  return {};
}

std::vector<std::int64_t> BatchWriter::take_closed() {
  return std::exchange(closed_, {});
}

int BatchWriter::close_segment() {
  if (cursor_.id == 0) return SQLITE_OK;
  close_segment_.bind(1, cursor_.id);
  if (const int rc = close_segment_.run(); rc != SQLITE_OK) return rc;
  closed_.push_back(std::exchange(cursor_, {}).id);
  return SQLITE_OK;
}

CommitResult BatchWriter::failed(int rc) const {
  CommitResult result;
  const int primary = rc & 0xff;
  result.state = primary == SQLITE_BUSY || primary == SQLITE_LOCKED ? StoreState::locked
                                                                    : StoreState::write_failed;
  result.detail = "audit database: " + detail_;
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
    result.detail += "; stop Tollgate and recover with: sqlite3 OLD.db .recover | sqlite3 NEW.db";
  }
  return result;
}

void BatchWriter::place_bodies(const Batch& batch, SegmentCursor& cursor) {
  places_.assign(batch.records.size(), RecordPlace{});
  pieces_.clear();
  const auto place = [&](std::string_view body) -> BodyPlace {
    if (body.empty()) return {};
    const BodyPlace at{cursor.id, cursor.offset, body.size()};
    cursor.offset += body.size();
    return at;
  };
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const PackedRecord& record = *batch.records[i];
    places_[i].request = place(record.request_body);
    places_[i].response = place(record.response_body);
    if (!record.bodies().empty()) pieces_.push_back(record.bodies());
  }
}

CommitResult BatchWriter::commit(const Batch& batch, const Limits& limits) {
  CommitResult result;
  SegmentCursor cursor = cursor_;
  const bool rotates = cursor.id != 0 && cursor.offset >= limits.segment_bytes;
  if (rotates || cursor.id == 0) cursor = {last_segment_ + 1, 0};
  const SegmentCursor begin = cursor;
  place_bodies(batch, cursor);
  if (pieces_.empty()) {
    cursor = cursor_;
  } else if (const int error = segment_.write(begin, pieces_, limits.sync_bodies)) {
    result.state = StoreState::write_failed;
    result.detail = "body segment " + segment_path(directory_, begin.id) + ": " +
                    std::generic_category().message(error);
    return result;
  }

  batch.give_way();
  int rc = write(batch, cursor);
  // Rare enough to look for the culprits only now, and slowly.
  if (is_about_rows(rc) && reject_repeated(batch, result)) rc = write(batch, cursor);
  if (is_about_rows(rc) && reject_refused(batch, result)) rc = write(batch, cursor);
  if (rc != SQLITE_OK) return failed(rc);
  if (cursor.id != cursor_.id) {
    if (cursor_.id != 0) closed_.push_back(cursor_.id);
    last_segment_ = cursor.id;
  }
  cursor_ = cursor;
  move_on(result);
  return result;
}

CommitResult BatchWriter::recover(const Batch& batch) {
  CommitResult result;
  SegmentCursor cursor = cursor_;
  place_bodies(batch, cursor);
  int rc = write(batch, cursor_);
  if (is_about_rows(rc) && reject_repeated(batch, result)) rc = write(batch, cursor_);
  // No money without its row: the next try would not find the call on record, and charge it again.
  if (rc != SQLITE_OK) return failed(rc);
  move_on(result);
  return result;
}

void BatchWriter::move_on(CommitResult& result) {
  result.audit_rows = static_cast<std::uint64_t>(audit_rows_.head().seq - chain_.seq);
  result.ledger_rows = ledger_rows_.count();
  chain_ = audit_rows_.head();
}

int BatchWriter::write(const Batch& batch, const SegmentCursor& cursor) {
  audit_rows_.start(batch, places_, chain_);
  ledger_rows_.start(batch, places_);
  int rc = begin_.run();
  if (rc == SQLITE_OK) rc = insert_audit_.run();
  if (rc == SQLITE_OK) rc = insert_ledger_.run();
  if (rc == SQLITE_OK) rc = write_quarters();
  if (rc == SQLITE_OK) rc = spans_.write(chain_.seq, audit_rows_.spans());
  if (rc == SQLITE_OK) rc = write_sums();
  if (rc == SQLITE_OK) rc = write_unauthenticated(batch);
  if (rc == SQLITE_OK) rc = write_events(batch);
  if (rc == SQLITE_OK) rc = write_marks(cursor, audit_rows_.head());
  batch.give_way();
  if (rc == SQLITE_OK) rc = commit_.run();
  if (rc != SQLITE_OK) {
    detail_ = db_.error_text();  // before the rollback sets its own
    spans_.forget();
    db_.rollback();
  }
  return rc;
}

bool BatchWriter::reject_repeated(const Batch& batch, CommitResult& result) {
  // A call that is on record already has its money there too: the ledger's rows were committed with
  // the audit row, so the one unique index on the call's id guards both tables.
  Statement find;
  if (db_.prepare("SELECT 1 FROM audit WHERE request_id=?", find) != SQLITE_OK) return false;
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const std::string_view id = batch.records[i]->request_id;
    const ScopedReset reset(find);
    find.bind(1, id);
    if (!id.empty() && seen.insert(id).second && find.step() != SQLITE_ROW) continue;
    places_[i].fate = RecordPlace::Fate::repeated;
    note_rejected(result, id, id.empty() ? "no request id" : "this request id is on record");
  }
  return result.rejected > 0;
}

bool BatchWriter::reject_refused(const Batch& batch, CommitResult& result) {
  // No record known today is refused. One that was would be so at every attempt, and the store
  // would stand still for it: so each is tried alone, with all others left out.
  using Fate = RecordPlace::Fate;
  std::vector<std::size_t> suspects;
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].fate == Fate::row) suspects.push_back(i);
  }
  for (const std::size_t i : suspects) places_[i].fate = Fate::refused;
  for (const std::size_t i : suspects) {
    places_[i].fate = Fate::row;
    const bool fits = !is_about_record(try_rows(batch));
    places_[i].fate = Fate::refused;
    if (fits) continue;
    found.push_back(i);
    note_rejected(result, batch.records[i]->request_id, detail_);
  }
  for (const std::size_t i : suspects) places_[i].fate = Fate::row;
  for (const std::size_t i : found) places_[i].fate = Fate::refused;
  return !found.empty();
}

int BatchWriter::try_rows(const Batch& batch) {
  audit_rows_.start(batch, places_, chain_);
  if (const int rc = begin_.run(); rc != SQLITE_OK) return rc;
  int rc = insert_audit_.run();
  if (rc != SQLITE_OK) {
    rc = sqlite3_extended_errcode(db_.raw());
    detail_ = db_.error_text();
  }
  db_.rollback();
  return rc;
}

int BatchWriter::write_quarters() {
  // Right after the charges: one statement gives its rows ids in a row.
  const std::int64_t first =
      sqlite3_last_insert_rowid(db_.raw()) - static_cast<std::int64_t>(ledger_rows_.count()) + 1;
  for (const std::int64_t quarter : ledger_rows_.quarters()) {
    add_quarter_.bind(1, quarter);
    add_quarter_.bind(2, first);
    if (const int rc = add_quarter_.run(); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BatchWriter::write_sums() {
  if (ledger_rows_.count() == 0) return SQLITE_OK;
  if (const int rc = add_spend_.run(); rc != SQLITE_OK) return rc;
  set_newest_.bind(1, ledger_rows_.newest_us());
  return set_newest_.run();
}

int BatchWriter::write_unauthenticated(const Batch& batch) {
  for (const auto& [key, sum] : batch.unauthenticated) {
    add_unauthenticated_.bind(1, key.first);
    add_unauthenticated_.bind(2, key.second);
    add_unauthenticated_.bind(3, sum.count);
    add_unauthenticated_.bind_or_null(4, sum.first_address);
    if (const int rc = add_unauthenticated_.run(); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BatchWriter::write_events(const Batch& batch) {
  for (const AuditEvent& event : batch.events) {
    add_event_.bind(1, event.at.time_since_epoch().count());
    add_event_.bind(2, event.kind);
    add_event_.bind_or_null(3, event.scope ? config::name_of(*event.scope) : std::string_view());
    add_event_.bind_or_null(4, event.scope_id);
    add_event_.bind_or_null(5, event.budget);
    add_event_.bind_or_null(6, event.detail);
    if (const int rc = add_event_.run(); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BatchWriter::write_marks(const SegmentCursor& cursor, const ChainHead& chain) {
  if (!pieces_.empty()) {
    if (cursor_.id != 0 && cursor_.id != cursor.id) {
      close_segment_.bind(1, cursor_.id);
      if (const int rc = close_segment_.run(); rc != SQLITE_OK) return rc;
    }
    set_segment_.bind(1, cursor.id);
    set_segment_.bind(2, chain.seq);
    set_segment_.bind(3, static_cast<std::int64_t>(cursor.offset));
    if (const int rc = set_segment_.run(); rc != SQLITE_OK) return rc;
  }
  if (chain.seq == chain_.seq) return SQLITE_OK;
  set_head_.bind(1, chain.seq);
  set_head_.bind(2, std::span<const std::uint8_t>(chain.hash));
  return set_head_.run();
}

}  // namespace tollgate::store
