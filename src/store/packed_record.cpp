#include "store/packed_record.hpp"

#include <cstring>
#include <new>

#include "store/audit_row.hpp"
#include "store/record_json.hpp"
#include "store/record_pool.hpp"

namespace tollgate::store {
namespace {

/// Puts one thing behind the other into memory that is known to be large enough.
class Layout {
 public:
  explicit Layout(char* at) : at_(at) {}
  std::string_view put(std::string_view bytes) noexcept {
    char* const begin = at_;
    if (!bytes.empty()) std::memcpy(begin, bytes.data(), bytes.size());
    at_ += bytes.size();
    return {begin, bytes.size()};
  }

 private:
  char* at_;
};

}  // namespace

PackedPtr RecordPacker::pack(const AuditRecord& r, bool with_bodies, RecordPool& pool) {
  columns_.clear();
  const PlaceGaps gaps = append_call_columns(columns_, list_, r);
  const std::string_view columns = columns_.view();

  std::size_t charges = 0;
  std::size_t charge_texts = 0;
  each_charge(r, [&](const LedgerCharge& charge, std::size_t) {
    ++charges;
    charge_texts += model_of(r, charge).size() + provider_of(r, charge).size();
  });
  // A scope costs its row in the sums and its bytes in the ledger's: nothing when nothing is
  // charged.
  const std::size_t scopes = charges == 0 ? 0 : r.scopes.size();
  std::size_t scope_texts = 0;
  scopes_.clear();
  for (std::size_t i = 0; i < scopes; ++i) scope_texts += r.scopes[i].id.size();
  if (scopes > 0) append_json(scopes_, {r.scopes.begin(), scopes});
  const auto stored = [&](const AuditBody& body) {
    return with_bodies && body.captured ? body.stored : std::string_view();
  };
  const std::string_view request = stored(r.request_body);
  const std::string_view response = stored(r.response_body);
  const AuditPrincipal& who = r.principal;
  const std::size_t texts = r.request_id.size() + who.key_id.size() + who.agent.size() +
                            who.team.size() + who.org.size() + charge_texts + scope_texts +
                            scopes_.size();
  static_assert(sizeof(PackedRecord) % alignof(PackedRecord::Charge) == 0);
  static_assert(sizeof(PackedRecord::Charge) % alignof(PackedRecord::Scope) == 0);
  const std::size_t size = sizeof(PackedRecord) + charges * sizeof(PackedRecord::Charge) +
                           scopes * sizeof(PackedRecord::Scope) + texts + columns.size() +
                           request.size() + response.size();

  PackedPtr packed = block(size, pool);
  auto* const charge_memory = reinterpret_cast<char*>(packed.get() + 1);
  char* const scope_memory = charge_memory + charges * sizeof(PackedRecord::Charge);
  Layout layout(scope_memory + scopes * sizeof(PackedRecord::Scope));
  packed->started_us = r.started.time_since_epoch().count();
  packed->request_id = layout.put(r.request_id);
  packed->key_id = layout.put(who.key_id);
  packed->agent = layout.put(who.agent);
  packed->team = layout.put(who.team);
  packed->org = layout.put(who.org);
  PackedRecord::Charge* next = nullptr;
  each_charge(r, [&](const LedgerCharge& charge, std::size_t number) {
    void* const at = next == nullptr ? static_cast<void*>(charge_memory) : next + 1;
    next = new (at)
        PackedRecord::Charge{.nusd = charge.amount.value,
                             .tokens = charge.tokens,
                             .calls = charge.calls,
                             .charged_us = charge_time(r, charge).time_since_epoch().count(),
                             .model = layout.put(model_of(r, charge)),
                             .provider = layout.put(provider_of(r, charge)),
                             .number = static_cast<std::int64_t>(number),
                             .slot = charge.slot,
                             .kind = charge.kind,
                             .estimated = charge.estimated,
                             .overrun = charge.overrun};
  });
  packed->charges = {next == nullptr ? nullptr : next + 1 - charges, charges};
  PackedRecord::Scope* scope = nullptr;
  for (std::size_t i = 0; i < scopes; ++i) {
    void* const at = scope == nullptr ? static_cast<void*>(scope_memory) : scope + 1;
    scope = new (at) PackedRecord::Scope{layout.put(r.scopes[i].id), r.scopes[i].kind};
  }
  packed->scopes = {scope == nullptr ? nullptr : scope + 1 - scopes, scopes};
  packed->scopes_json = layout.put(scopes_);
  packed->call_columns = layout.put(columns.substr(0, gaps.request));
  packed->response_columns = layout.put(columns.substr(gaps.request, gaps.response - gaps.request));
  packed->last_columns = layout.put(columns.substr(gaps.response));
  packed->request_body = layout.put(request);
  packed->response_body = layout.put(response);
  return packed;
}

PackedPtr RecordPacker::block(std::size_t size, RecordPool& pool) {
  if (spare_.empty()) pool.take(spare_);
  if (!spare_.empty()) {
    PackedPtr block = std::move(spare_.back());
    spare_.pop_back();
    // Else it gives way to a larger one: soon what goes round fits nearly all calls.
    if (block->capacity >= size) return block;
  }
  // With malloc's own word an odd number of cache lines, since an even stride would put the heads
  // of all records into a part of the cache's sets.
  constexpr std::size_t kStep = 256;
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kMallocHead = 16;
  const std::size_t capacity =
      (size + kMallocHead + kStep - 1) / kStep * kStep + kLine - kMallocHead;
  PackedPtr block(new (::operator new(capacity)) PackedRecord);
  block->capacity = capacity;
  return block;
}

}  // namespace tollgate::store
