#include "tollgate/store/audit_store.hpp"

#include "store/engine.hpp"
#include "store/journal_epoch.hpp"
#include "store/key_rows.hpp"

namespace tollgate::store {

std::string_view to_string(StoreState state) noexcept {
  switch (state) {
    case StoreState::ready:
      return "ready";
    case StoreState::low_space:
      return "low_space";
    case StoreState::locked:
      return "locked";
    case StoreState::write_failed:
      return "write_failed";
    case StoreState::file_replaced:
      return "file_replaced";
    case StoreState::stopped:
      return "stopped";
  }
  return "stopped";
}

base::Result<std::unique_ptr<AuditStore>> AuditStore::open(StoreOptions options,
                                                           const base::Clock& clock) {
  auto engine = std::make_unique<Engine>(std::move(options), clock);
  TG_CHECK(engine->open());
  return std::unique_ptr<AuditStore>(new AuditStore(std::move(engine)));
}

RecordMemory::RecordMemory() : packer_(std::make_unique<RecordPacker>()) {}
RecordMemory::~RecordMemory() = default;

AuditStore::AuditStore(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
AuditStore::~AuditStore() = default;

void AuditStore::start() {
  engine_->start();
}
base::Result<void> AuditStore::stop(std::chrono::milliseconds patience) {
  return engine_->stop(patience);
}

Admission AuditStore::admit() noexcept {
  return engine_->admit();
}
bool AuditStore::try_reserve() noexcept {
  return engine_->try_reserve();
}
void AuditStore::release() noexcept {
  engine_->release(1);
}
void AuditStore::record(const AuditRecord& record, RecordMemory& memory) noexcept {
  engine_->record(record, *memory.packer_);
}
void AuditStore::record(const AuditRecord& record) noexcept {
  RecordPacker packer;
  engine_->record(record, packer);
}
void AuditStore::record_unreserved(const AuditRecord& record) noexcept {
  engine_->record_unreserved(record);
}
void AuditStore::note_unauthenticated(std::string_view reason, std::string_view address) noexcept {
  engine_->note_unauthenticated(reason, address);
}

void AuditStore::note_event(AuditEvent event) noexcept {
  engine_->note_event(std::move(event));
}

StoreState AuditStore::state() const noexcept {
  return engine_->state();
}
std::string AuditStore::state_detail() const {
  return engine_->state_detail();
}
const StoreStats& AuditStore::stats() const noexcept {
  return engine_->stats;
}
void AuditStore::reload(const config::Audit& audit) {
  engine_->reload(audit);
}

std::future<base::Result<void>> AuditStore::create_key(StoredKey key) {
  return engine_->post_work([key = std::move(key)](Database& db) { return insert_key(db, key); });
}
std::future<base::Result<void>> AuditStore::revoke_key(Revocation revocation) {
  return engine_->revoke(std::move(revocation));
}
std::vector<Revocation> AuditStore::unwritten_revocations() const {
  return engine_->unwritten_revocations();
}

base::Result<RecoveredCalls> AuditStore::recover(std::span<const AuditRecord> calls) {
  return engine_->recover(calls);
}
base::Result<void> AuditStore::set_journal_epoch(std::uint64_t epoch) {
  return engine_->post_work([epoch](Database& db) { return write_journal_epoch(db, epoch); }).get();
}
base::Result<std::optional<std::uint64_t>> AuditStore::journal_epoch() {
  std::optional<std::uint64_t> epoch;
  TG_CHECK(
      engine_->post_work([&epoch](Database& db) { return read_journal_epoch(db, epoch); }).get());
  return epoch;
}
const std::string& AuditStore::wal_path() const noexcept {
  return engine_->wal_path();
}

bool AuditStore::flush_now() {
  return engine_->flush_now();
}
bool AuditStore::step() {
  return engine_->step();
}
bool AuditStore::compress_now() {
  return engine_->compress_now();
}

}  // namespace tollgate::store
