#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tollgate/domain/budget/spend_history.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_store.hpp"

namespace tollgate::store {

/// The budget ledger's view of the record: sums of committed ledger rows.
///
/// A call's end settles with the ledger first and hands its row to the store a moment later.
/// `quiesce` waits until every call that had settled when it was called has done so too (false:
/// they did not in time); without it nothing may settle during a question.
///
/// Place:    app hands one to domain::budget::Ledger at start and at each reload.
/// Lifetime: must not outlive `store`. Threads: one at a time.
class SpendOnRecord final : public domain::budget::SpendHistory {
 public:
  SpendOnRecord(AuditStore& store, std::string path, std::function<bool()> quiesce = {})
      : store_(store), path_(std::move(path)), quiesce_(std::move(quiesce)) {}

  [[nodiscard]] base::Result<domain::budget::Sums> settled_since(config::ScopeKind kind,
                                                                 std::string_view scope_id,
                                                                 base::WallTime since) override;
  [[nodiscard]] base::Result<std::vector<domain::budget::Sums>> settled_of_each_since(
      config::ScopeKind kind, std::span<const std::string_view> ids, base::WallTime since) override;
  [[nodiscard]] base::Result<std::vector<bool>> overruns_of_each_since(
      config::ScopeKind kind, std::span<const std::string_view> ids, base::WallTime since) override;
  [[nodiscard]] base::Result<std::vector<std::string>> live_scopes_since(config::ScopeKind kind,
                                                                         base::WallTime since,
                                                                         std::size_t most) override;
  [[nodiscard]] base::Result<bool> has_overrun_since(config::ScopeKind kind,
                                                     std::string_view scope_id,
                                                     base::WallTime since) override;
  [[nodiscard]] base::Result<std::optional<base::WallTime>> newest_charge() override;

 private:
  [[nodiscard]] base::Result<AuditReader*> reader();
  AuditStore& store_;
  std::string path_;
  std::function<bool()> quiesce_;
  std::unique_ptr<AuditReader> reader_;
};

}  // namespace tollgate::store
