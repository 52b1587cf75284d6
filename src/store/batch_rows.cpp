#include "store/batch_rows.hpp"

#include <algorithm>

#include "tollgate/config/names.hpp"

namespace tollgate::store {
namespace {

void set(RowValue& out, std::int64_t value) noexcept {
  out.type = RowValue::Type::integer;
  out.integer = value;
}
void set(RowValue& out, std::string_view value) noexcept {
  out.type = RowValue::Type::text;
  out.bytes = value;
}

}  // namespace

void AuditRows::rewind() noexcept {
  at_ = 0;
  head_ = begin_;
  spans_.clear();
}

const RowValue* AuditRows::next() noexcept {
  while (at_ < batch_->records.size()) {
    const RecordPlace& place = (*places_)[at_];
    const PackedRecord& record = *batch_->records[at_++];
    if (at_ < batch_->records.size()) prefetch(*batch_->records[at_]);
    if (place.fate != RecordPlace::Fate::row) continue;
    batch_->give_way(at_);
    ++head_.seq;
    head_.hash = row_.form(head_.seq, record, place.request, place.response, head_.hash);
    spans_.add(head_.seq, record.started_us, record.key_id);
    return row_.row();
  }
  return nullptr;
}

void LedgerRows::rewind() noexcept {
  at_ = charge_ = 0;
  unrecorded_ = batch_->unrecorded.begin();
  sums_.clear();
  slots_.clear();
  quarters_.clear();
  newest_us_ = 0;
  count_ = 0;
}

const RowValue* LedgerRows::next() noexcept {
  for (; at_ < batch_->records.size(); ++at_, charge_ = 0) {
    const PackedRecord& record = *batch_->records[at_];
    if (at_ + 1 < batch_->records.size()) prefetch(*batch_->records[at_ + 1]);
    const bool is_repeated = (*places_)[at_].fate == RecordPlace::Fate::repeated;
    while (charge_ != record.charges.size()) {
      const PackedRecord::Charge& charge = record.charges[charge_++];
      note(charge.slot);
      if (is_repeated || !charge.has_row()) continue;
      batch_->give_way(at_);
      return give({record.request_id,
                   charge.number,
                   charge.charged_us,
                   {charge.nusd, charge.tokens, charge.calls},
                   charge.kind,
                   charge.estimated,
                   charge.overrun,
                   {record.key_id, record.agent, record.team, record.org, charge.model,
                    charge.provider, record.scopes},
                   record.scopes_json});
    }
  }
  while (unrecorded_ != batch_->unrecorded.end()) {
    const auto& [who, sum] = *unrecorded_++;
    for (const std::uint32_t slot : sum.slots) note(slot);
    if (sum.nusd == 0 && sum.tokens == 0 && sum.calls == 0) continue;
    return give({sum.call_id,
                 0,
                 who.quarter_us,
                 {sum.nusd, sum.tokens, sum.calls},
                 LedgerKind::aggregate,
                 sum.estimated,
                 sum.overrun,
                 {who.key, who.agent, who.team, who.org, who.model, who.provider, sum.scopes},
                 sum.scopes_json});
  }
  return nullptr;
}

std::int64_t LedgerRows::quarter_of(std::int64_t charged_us) {
  const std::int64_t quarter = floor_to(charged_us, kQuarterUs);
  if (quarters_.empty() || quarters_.back() != quarter) quarters_.push_back(quarter);
  return quarter;
}

const RowValue* LedgerRows::give(const Row& row) {
  RowValue* next = values_.data() + 1;  // the first is `id`, always NULL
  const auto integer = [&](std::int64_t value) { set(*next++, value); };
  const auto text = [&](std::string_view value) { set(*next++, value); };
  const auto text_or_null = [&](std::string_view value) {
    set(*next, value);
    if (value.empty()) next->type = RowValue::Type::null;
    ++next;
  };
  text(row.call_id);
  integer(row.charge);
  integer(row.charged_us);
  integer(row.amounts.nusd);
  integer(row.amounts.calls);
  text(to_string(row.kind));
  integer(row.estimated ? 1 : 0);
  integer(row.overrun ? 1 : 0);
  text_or_null(row.scopes.key);
  text_or_null(row.scopes.agent);
  text_or_null(row.scopes.team);
  text_or_null(row.scopes.org);
  text_or_null(row.scopes.model);
  text_or_null(row.scopes.provider);
  integer(row.amounts.tokens);
  text_or_null(row.scopes_json);
  sums_.add(row.scopes, quarter_of(row.charged_us), row.amounts);
  newest_us_ = std::max(newest_us_, row.charged_us);
  ++count_;
  return values_.data();
}

const RowValue* SpendRows::next() noexcept {
  if (at_ == sums_.size()) return nullptr;
  const SpendSums::Entry& entry = sums_[at_++];
  set(values_[0], config::name_of(entry.bucket.kind));
  set(values_[1], entry.bucket.id);
  set(values_[2], entry.bucket.quarter_us);
  set(values_[3], entry.amounts.nusd);
  set(values_[4], entry.amounts.calls);
  set(values_[5], entry.amounts.tokens);
  return values_.data();
}

}  // namespace tollgate::store
