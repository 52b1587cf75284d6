#include "store/batch_writer.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "tollgate/config/names.hpp"

namespace tollgate::store {
namespace {

constexpr std::string_view kInsertLedger =
    "INSERT INTO ledger(call_id,charge,charged_us,nusd,calls,kind,estimated,overrun,"
    "key_id,agent,team,org,model,provider) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
// Saturates: an overflow would turn the sum into a REAL and fail the batch for ever.
constexpr std::string_view kAddSpend =
    "INSERT INTO spend_quarter(scope_kind,scope_id,quarter_us,nusd,calls) VALUES(?,?,?,?,?) "
    "ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, nusd = CASE "
    "WHEN nusd > 9223372036854775807 - excluded.nusd THEN 9223372036854775807 "
    "ELSE nusd + excluded.nusd END";
constexpr std::string_view kAddUnauthenticated =
    "INSERT INTO unauthenticated(second,reason,count,first_address) VALUES(?,?,?,?) "
    "ON CONFLICT DO UPDATE SET count = count + excluded.count";
constexpr std::string_view kSetSegment =
    "INSERT INTO segment(id,state,last_seq,raw_bytes,file_bytes) VALUES(?1,'open',?2,?3,?3) "
    "ON CONFLICT(id) DO UPDATE SET last_seq=?2, raw_bytes=?3, file_bytes=?3";

std::int64_t micros(base::WallTime t) {
  return t.time_since_epoch().count();
}

/// The highest segment number among files left in the directory: never written over, even when the
/// database beside them is new.
std::int64_t highest_segment_file(FileSystem& files, const std::string& directory) {
  std::vector<std::string> names;
  std::int64_t highest = 0;
  if (files.list(directory, names) != 0) return highest;
  for (const std::string& name : names) {
    if (name.rfind("audit-", 0) == 0 && name.find(".seg") != std::string::npos) {
      highest = std::max<std::int64_t>(highest, std::strtoll(name.c_str() + 6, nullptr, 10));
    }
  }
  return highest;
}

}  // namespace

BatchWriter::BatchWriter(Database& db, FileSystem& files, std::string directory)
    : db_(db), files_(files), directory_(directory), segment_(files, std::move(directory)) {}

base::Result<void> BatchWriter::prepare() {
  const std::pair<std::string, Statement*> statements[] = {
      {"BEGIN IMMEDIATE", &begin_},
      {"COMMIT", &commit_},
      {audit_insert_sql(), &insert_audit_},
      {std::string(kInsertLedger), &insert_ledger_},
      {std::string(kAddSpend), &add_spend_},
      {std::string(kAddUnauthenticated), &add_unauthenticated_},
      {"UPDATE mark SET at=?, hash=? WHERE name='chain_head'", &set_head_},
      {"UPDATE mark SET at=max(at, ?) WHERE name='ledger_newest'", &set_newest_},
      {std::string(kSetSegment), &set_segment_},
      {"UPDATE segment SET state='closed' WHERE id=? AND state='open'", &close_segment_},
  };
  for (const auto& [sql, statement] : statements) {
    if (db_.prepare_kept(sql, *statement) != SQLITE_OK) {
      return base::Error(base::ErrorCode::audit_unavailable,
                         "cannot use the audit database: " + db_.error_text());
    }
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
  result.detail = "audit database: " + db_.error_text();
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
    result.detail += "; stop Tollgate and recover with: sqlite3 OLD.db .recover | sqlite3 NEW.db";
  }
  return result;
}

void BatchWriter::place_bodies(const Batch& batch, SegmentCursor& cursor) {
  places_.assign(batch.records.size(), Places{});
  pieces_.clear();
  const auto place = [&](const AuditBody& body) -> BodyPlace {
    if (!body.captured || body.stored.empty()) return {};
    const BodyPlace at{cursor.id, cursor.offset, body.stored.size()};
    pieces_.emplace_back(body.stored);
    cursor.offset += body.stored.size();
    return at;
  };
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    places_[i].request = place(batch.records[i]->request_body);
    places_[i].response = place(batch.records[i]->response_body);
  }
}

CommitResult BatchWriter::commit(const Batch& batch, const Limits& limits) {
  CommitResult result;
  SegmentCursor cursor = cursor_;
  ChainHead chain = chain_;
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

  sums_.clear();
  newest_charge_us_ = 0;
  int rc = begin_.run();
  if (rc == SQLITE_OK) rc = write_rows(batch, chain, result);
  if (rc == SQLITE_OK) rc = write_unrecorded(batch, result);
  if (rc == SQLITE_OK) rc = write_sums();
  if (rc == SQLITE_OK) rc = write_unauthenticated(batch);
  if (rc == SQLITE_OK) rc = write_marks(cursor, chain);
  if (rc == SQLITE_OK) rc = commit_.run();
  if (rc != SQLITE_OK) {
    result = failed(rc);
    db_.rollback();
    return result;
  }
  if (cursor.id != cursor_.id) {
    if (cursor_.id != 0) closed_.push_back(cursor_.id);
    last_segment_ = cursor.id;
  }
  cursor_ = cursor;
  chain_ = chain;
  return result;
}

int BatchWriter::write_rows(const Batch& batch, ChainHead& chain, CommitResult& result) {
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const AuditRecord& record = *batch.records[i];
    const base::Sha256Digest hash = row_.bind(insert_audit_, chain.seq + 1, record,
                                              places_[i].request, places_[i].response, chain.hash);
    if (const int rc = insert_audit_.run(); rc != SQLITE_OK) return rc;
    if (sqlite3_changes(db_.raw()) == 1) {
      ++chain.seq;
      chain.hash = hash;
      ++result.audit_rows;
    } else {
      // On record already. Its money is too: the ledger's rows were committed with the audit row,
      // so the one unique index on the call's id guards both tables.
      ++result.rejected;
      continue;
    }
    if (const int rc = write_charges(record, result); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BatchWriter::write_charges(const AuditRecord& record, CommitResult& result) {
  if (record.charges.empty()) {
    if (record.cost.value <= 0) return SQLITE_OK;
    LedgerCharge whole;
    whole.amount = record.cost;
    whole.estimated = record.estimated;
    whole.overrun = record.overrun;
    return write_charge(record, whole, 0, result);
  }
  int index = 0;
  for (const LedgerCharge& charge : record.charges) {
    if (const int rc = write_charge(record, charge, index++, result); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BatchWriter::write_charge(const AuditRecord& r, const LedgerCharge& charge, int index,
                              CommitResult& result) {
  if (charge.amount.value <= 0) return SQLITE_OK;
  const AuditPrincipal& who = r.principal;
  const ChargeScopes scopes{who.key_id,
                            who.agent,
                            who.team,
                            who.org,
                            charge.model.empty() ? r.model_asked : charge.model,
                            charge.provider.empty() ? r.provider : charge.provider};
  return write_ledger_row(r.request_id, index, micros(charge_time(r, charge)), charge.amount.value,
                          1, charge.kind, charge.estimated, charge.overrun, scopes, result);
}

int BatchWriter::write_unrecorded(const Batch& batch, CommitResult& result) {
  for (const auto& [who, sum] : batch.unrecorded) {
    const ChargeScopes scopes{who.key, who.agent, who.team, who.org, who.model, who.provider};
    const int rc =
        write_ledger_row(sum.call_id, 0, who.quarter_us, sum.nusd, sum.calls, LedgerKind::aggregate,
                         sum.estimated, sum.overrun, scopes, result);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BatchWriter::write_ledger_row(std::string_view call_id, int index, std::int64_t charged_us,
                                  std::int64_t nusd, std::int64_t calls, LedgerKind kind,
                                  bool estimated, bool overrun, const ChargeScopes& scopes,
                                  CommitResult& result) {
  Statement& s = insert_ledger_;
  s.bind(1, call_id);
  s.bind(2, std::int64_t{index});
  s.bind(3, charged_us);
  s.bind(4, nusd);
  s.bind(5, calls);
  s.bind(6, to_string(kind));
  s.bind(7, std::int64_t{estimated});
  s.bind(8, std::int64_t{overrun});
  s.bind_or_null(9, scopes.key);
  s.bind_or_null(10, scopes.agent);
  s.bind_or_null(11, scopes.team);
  s.bind_or_null(12, scopes.org);
  s.bind_or_null(13, scopes.model);
  s.bind_or_null(14, scopes.provider);
  if (const int rc = s.run(); rc != SQLITE_OK) return rc;
  sums_.add(scopes, charged_us, nusd, calls);
  newest_charge_us_ = std::max(newest_charge_us_, charged_us);
  ++result.ledger_rows;
  return SQLITE_OK;
}

int BatchWriter::write_sums() {
  for (const auto& [bucket, sum] : sums_) {
    add_spend_.bind(1, config::name_of(bucket.kind));
    add_spend_.bind(2, bucket.id);
    add_spend_.bind(3, bucket.quarter_us);
    add_spend_.bind(4, sum.nusd);
    add_spend_.bind(5, sum.calls);
    if (const int rc = add_spend_.run(); rc != SQLITE_OK) return rc;
  }
  if (newest_charge_us_ == 0) return SQLITE_OK;
  set_newest_.bind(1, newest_charge_us_);
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
