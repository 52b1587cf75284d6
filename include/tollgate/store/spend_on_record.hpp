#pragma once

#include <memory>
#include <string>

#include "tollgate/domain/budget/spend_history.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_store.hpp"

namespace tollgate::store {

/// The budget ledger's view of the record: sums of committed ledger rows.
///
/// Place:    app hands one to domain::budget::Ledger at start and at each reload.
/// Lifetime: must not outlive `store`. Threads: one at a time.
class SpendOnRecord final : public domain::budget::SpendHistory {
 public:
  SpendOnRecord(AuditStore& store, std::string path) : store_(store), path_(std::move(path)) {}

  [[nodiscard]] base::Result<base::NanoUsd> settled_since(config::ScopeKind kind,
                                                          std::string_view scope_id,
                                                          base::WallTime since) override;
  [[nodiscard]] base::Result<std::optional<base::WallTime>> newest_charge() override;

 private:
  [[nodiscard]] base::Result<AuditReader*> reader();
  AuditStore& store_;
  std::string path_;
  std::unique_ptr<AuditReader> reader_;
};

}  // namespace tollgate::store
