#include "app/ledger_journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <stdexcept>

#include "tollgate/base/digest.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {

using config::ScopeKind;
using store::AuditRecord;
using store::FoundHold;
using store::FoundJournal;
using store::JournalFile;

namespace {

std::uint64_t new_epoch() {
  std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
  base::random_bytes(bytes);
  std::uint64_t epoch = 0;
  std::memcpy(&epoch, bytes.data(), sizeof epoch);
  return epoch == 0 ? 1 : epoch;  // 0: no journal belongs to the database
}

template <class T>
T value_or_throw(base::Result<T> result) {
  if (result.has_error())
    throw std::runtime_error("ledger journal: " + result.error().message() + " " +
                             result.error().detail());
  return std::move(*result);
}
void check(const base::Result<void>& result) {
  if (result.has_error())
    throw std::runtime_error("ledger journal: " + result.error().message() + " " +
                             result.error().detail());
}

/// Why the start must not go on by itself; empty when it may.
std::string objection(const FoundJournal& found, std::uint64_t epoch) {
  if (found.damaged > 0)
    return fmt::format("it is damaged ({}{})", found.why,
                       found.damaged > 1 ? fmt::format(" and {} more", found.damaged - 1) : "");
  if (epoch != 0 && !found.exists)
    return "it is gone, and the calls that were open when the gateway ended were in it";
  // A clean stop that did not come to remove the files has left nothing in them.
  if (found.exists && found.epoch != epoch && !(epoch == 0 && found.holds.empty()))
    return "it belongs to another database, or the database to another state of it";
  return {};
}

/// The scopes of the first hold that has any of a kind.
std::string scope_of(const FoundHold& hold, ScopeKind kind) {
  for (const auto& [of, id] : hold.scopes)
    if (of == kind) return id;
  return {};
}

void add_charge(const FoundHold& hold, AuditRecord& record) {
  using store::LedgerKind;
  store::LedgerCharge& charge = record.charges.emplace_back();
  charge.model = scope_of(hold, ScopeKind::model);
  charge.provider = scope_of(hold, ScopeKind::provider);
  charge.amount = hold.amounts.usd;
  charge.tokens = hold.amounts.tokens;
  charge.calls = hold.amounts.requests;
  charge.estimated = hold.is_estimated || !hold.is_settled;
  charge.charged_at = hold.held_at;
  charge.kind = hold.is_attempt   ? LedgerKind::abandoned
                : hold.is_settled ? LedgerKind::call
                                  : LedgerKind::interrupted;
  record.cost += charge.amount;
  record.estimated = record.estimated || charge.estimated;
  record.held = std::max(record.held, hold.amounts.usd);
}

}  // namespace

void add_scope(AuditRecord& record, ScopeKind kind, const std::string& id) {
  switch (kind) {
    case ScopeKind::key:
      record.principal.key_id = id;
      return;
    case ScopeKind::agent:
      record.principal.agent = id;
      return;
    case ScopeKind::team:
      record.principal.team = id;
      return;
    case ScopeKind::org:
      record.principal.org = id;
      return;
    case ScopeKind::model:
      record.model_asked = id;
      return;
    case ScopeKind::provider:
      record.provider = id;
      return;
    case ScopeKind::tag:
      record.principal.tags.push_back(id);
      [[fallthrough]];
    case ScopeKind::session:
    case ScopeKind::end_user:
      break;
  }
  store::AuditScope& scope = record.scopes.emplace_back();
  scope.kind = kind;
  scope.id = id;
}

std::vector<AuditRecord> to_records(const std::vector<FoundHold>& holds,
                                    const std::string& config_digest) {
  // The call itself before the attempts it gave up, whatever their slots.
  std::map<std::string, std::vector<const FoundHold*>> by_call;
  for (const FoundHold& hold : holds) by_call[hold.request_id].push_back(&hold);
  std::vector<AuditRecord> records;
  for (auto& [id, parts] : by_call) {
    std::stable_sort(parts.begin(), parts.end(), [](const FoundHold* a, const FoundHold* b) {
      return a->is_attempt < b->is_attempt;
    });
    AuditRecord& record = records.emplace_back();
    record.request_id = id;
    record.outcome = store::Outcome::interrupted;
    record.config_digest = config_digest;
    record.started = record.held_at = parts.front()->held_at;
    for (const auto& [kind, scope] : parts.front()->scopes) add_scope(record, kind, scope);
    for (const FoundHold* const part : parts) {
      record.started = std::min(record.started, part->held_at);
      add_charge(*part, record);
    }
  }
  std::stable_sort(records.begin(), records.end(), [](const AuditRecord& a, const AuditRecord& b) {
    return a.started < b.started;
  });
  return records;
}

LedgerJournal::LedgerJournal(store::AuditStore& store, const config::Snapshot& snapshot,
                             const std::string& config_path, bool is_forced)
    : store_(store) {
  const std::string& database = snapshot.audit.path;
  const std::uint64_t epoch = value_or_throw(store.journal_epoch()).value_or(0);
  const FoundJournal found = value_or_throw(JournalFile::read(database, epoch));
  if (const std::string why = objection(found, epoch); !why.empty()) {
    if (!is_forced)
      throw std::runtime_error(fmt::format(
          "the ledger's journal ({0}-journal.slots and .names) cannot be used: {1}. What calls "
          "were "
          "holding is in it. Put back the right files, or go on from the rows of the audit "
          "database, without what cannot be read, by: tollgate ledger recover --config {2}",
          database, why, config_path));
    recovered_.damaged = found.damaged;
    recovered_.damage = why;
  }
  // Never those of another database, or of another state of this one.
  if (!found.holds.empty() && found.epoch == epoch) recover(store, found);
  if (!recovered_.damage.empty() && found.exists)
    recovered_.set_aside =
        JournalFile::set_aside(database, fmt::format("damaged-{:08x}", found.epoch >> 32));

  const std::uint64_t next = new_epoch();
  JournalFile::Options options;
  options.database = database;
  options.wal = store.wal_path();
  options.sync_interval = snapshot.spending.journal_sync;
  options.on_state = [](const std::string& why) {
    if (why.empty()) {
      telemetry::log::info("ledger_journal", {{"state", "ready"}});
    } else {
      telemetry::log::error("ledger_journal", {{"state", "failed"}, {"message", why}});
    }
  };
  file_ = value_or_throw(JournalFile::create(std::move(options), next));
  check(store.set_journal_epoch(next));
  check(file_->adopt());
}

LedgerJournal::~LedgerJournal() = default;

void LedgerJournal::recover(store::AuditStore& store, const FoundJournal& found) {
  const std::vector<AuditRecord> records = to_records(found.holds, {});
  const store::RecoveredCalls done = value_or_throw(store.recover(records));
  recovered_.on_record = done.on_record;
  for (const FoundHold& hold : found.holds)
    if (!hold.is_attempt) ++(hold.is_settled ? recovered_.settled : recovered_.interrupted);
  recovered_.holds = found.holds;
  telemetry::log::warn("ledger_recovered", {{"calls", records.size()},
                                            {"interrupted", recovered_.interrupted},
                                            {"settled", recovered_.settled},
                                            {"on_record", recovered_.on_record}});
}

void LedgerJournal::close(bool is_all_on_record) {
  file_->stop();
  is_empty_ = is_all_on_record && !store_.set_journal_epoch(0).has_error();
}

void LedgerJournal::remove() {
  if (is_empty_) file_->remove();
}

}  // namespace tollgate::app
