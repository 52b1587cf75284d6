#include "tollgate/store/spend_on_record.hpp"

namespace tollgate::store {

base::Result<AuditReader*> SpendOnRecord::reader() {
  if (quiesce_ && !quiesce_()) {
    return base::Error(base::ErrorCode::overloaded,
                       "the workers did not come to rest in time to read the spend on record");
  }
  // Each question flushes: the interface asks for every row handed over before the call. With an
  // empty queue that is one round trip to the writer.
  if (!store_.flush_now()) {
    return base::Error(base::ErrorCode::audit_unavailable, "the store cannot write",
                       store_.state_detail());
  }
  if (reader_ == nullptr) {
    TG_TRY(reader_, AuditReader::open(path_));
  }
  return reader_.get();
}

base::Result<domain::budget::Sums> SpendOnRecord::settled_since(config::ScopeKind kind,
                                                                std::string_view scope_id,
                                                                base::WallTime since) {
  TG_TRY(AuditReader* const reader, this->reader());
  return reader->spend_since(kind, scope_id, since);
}

base::Result<std::vector<domain::budget::Sums>> SpendOnRecord::settled_of_each_since(
    config::ScopeKind kind, std::span<const std::string_view> ids, base::WallTime since) {
  TG_TRY(AuditReader* const reader, this->reader());
  return reader->spend_of_each_since(kind, ids, since);
}

base::Result<std::vector<bool>> SpendOnRecord::overruns_of_each_since(
    config::ScopeKind kind, std::span<const std::string_view> ids, base::WallTime since) {
  TG_TRY(AuditReader* const reader, this->reader());
  return reader->overruns_of_each_since(kind, ids, since);
}

base::Result<std::vector<std::string>> SpendOnRecord::live_scopes_since(config::ScopeKind kind,
                                                                        base::WallTime since,
                                                                        std::size_t most) {
  TG_TRY(AuditReader* const reader, this->reader());
  return reader->live_scopes_since(kind, since, most);
}

base::Result<bool> SpendOnRecord::has_overrun_since(config::ScopeKind kind,
                                                    std::string_view scope_id,
                                                    base::WallTime since) {
  TG_TRY(AuditReader* const reader, this->reader());
  return reader->has_overrun_since(kind, scope_id, since);
}

base::Result<std::optional<base::WallTime>> SpendOnRecord::newest_charge() {
  TG_TRY(AuditReader* const reader, this->reader());
  return reader->newest_charge();
}

}  // namespace tollgate::store
