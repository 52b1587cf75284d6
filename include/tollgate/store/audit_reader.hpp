#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/spend_history.hpp"
#include "tollgate/store/audit_event.hpp"
#include "tollgate/store/audit_record.hpp"
#include "tollgate/store/file_system.hpp"
#include "tollgate/store/ledger_rows.hpp"
#include "tollgate/store/stored_key.hpp"

namespace tollgate::store {

/// Where the stored bytes of a body lie; `stored_bytes` = 0 means none were stored.
struct BodyPlace {
  std::int64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t stored_bytes = 0;
  bool operator==(const BodyPlace&) const = default;
};

/// A call as read back. The bodies' bytes stay on disk: AuditReader::read_body fetches them.
struct StoredCall {
  std::int64_t seq = 0;  ///< position in the hash chain, without gaps
  AuditRecord record;    ///< `charges`, `scopes` and `held_at` are in the ledger, not here
  BodyPlace request_place, response_place;
  base::Sha256Digest hash{};
};

/// Which calls; members left empty do not restrict.
struct CallFilter {
  std::string key, agent, team, surface, model, session, error_code;
  std::optional<base::WallTime> since, until;  ///< started: since <= t < until
  std::optional<std::int32_t> status;
  std::optional<Outcome> outcome;
  std::size_t limit = 100;                 ///< at most 10'000
  std::optional<std::int64_t> before_seq;  ///< the page after the row of that seq
};

using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string>;
struct SqlTable {
  std::vector<std::string> columns;
  std::vector<std::vector<SqlValue>> rows;  ///< blobs as lower-case hex
  bool truncated = false;                   ///< there were more rows than asked for
};

/// Spend of one scope in an interval.
struct ScopeSpend {
  std::string scope_id;
  base::NanoUsd spent;
  std::int64_t tokens = 0;
  std::int64_t calls = 0;
};

struct UnauthenticatedCount {
  std::int64_t second = 0;  ///< Unix time
  std::string reason;
  std::int64_t count = 0;
  std::string first_address;
};

/// The result of walking the hash chain.
struct ChainReport {
  std::int64_t rows = 0;
  std::int64_t first_seq = 0, last_seq = 0;  ///< 0 when there are no rows
  std::optional<std::int64_t> broken_seq;    ///< the first row that does not fit
  std::string problem;                       ///< empty when the chain holds
  base::Sha256Digest head{};                 ///< of the last row; note it elsewhere to anchor it
};

struct ReaderOptions {
  std::chrono::milliseconds time_limit{2'000};  ///< per query; long readers block checkpoints
  FileSystem* files = nullptr;                  ///< null: posix_file_system()
  const base::Clock* clock = nullptr;           ///< for the limit; null: the machine's
};

/// Typed, read-only access to the store's file, for the command line, the admin port and a start.
///
/// Place:    its own read-only connection; never stalls the writer (WAL).
/// Threads:  one at a time; one reader per thread is cheap.
/// Errors:   audit_unavailable when the file cannot be read or the time limit passed,
///           invalid_request for SQL that is not one SELECT.
class AuditReader {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<AuditReader>> open(const std::string& path,
                                                                       ReaderOptions options = {});
  ~AuditReader();
  AuditReader(const AuditReader&) = delete;
  AuditReader& operator=(const AuditReader&) = delete;

  /// The newest `n` calls, oldest of them first.
  [[nodiscard]] base::Result<std::vector<StoredCall>> tail(std::size_t n);
  /// Calls with a seq above `seq`, oldest first, at most `limit`: follows the log.
  [[nodiscard]] base::Result<std::vector<StoredCall>> after(std::int64_t seq, std::size_t limit);
  /// A call by request id.
  [[nodiscard]] base::Result<std::optional<StoredCall>> show(std::string_view request_id);
  /// Matching calls, newest first.
  [[nodiscard]] base::Result<std::vector<StoredCall>> query(const CallFilter& filter);
  /// The bytes of a body, from an open or a compressed segment. The digest is checked when the
  /// whole was stored. Error not_found: retention has removed the segment.
  [[nodiscard]] base::Result<std::string> read_body(const AuditBody& body, const BodyPlace& place);
  /// One SELECT of the user's. Anything that could write, attach or load is refused.
  [[nodiscard]] base::Result<SqlTable> sql(std::string_view text, std::size_t max_rows = 1'000);

  /// What was charged to a scope at or after `since`, from committed rows.
  ///
  /// Exact for every `since` on a quarter of an hour (so for every calendar window in any time zone
  /// of today) and for any other while the ledger rows of that quarter are kept; then the whole
  /// quarter counts. Beyond 62 days back sums are per UTC day, and the whole day counts.
  [[nodiscard]] base::Result<domain::budget::Sums> spend_since(config::ScopeKind scope,
                                                               std::string_view id,
                                                               base::WallTime since);
  /// As domain::budget::SpendHistory::settled_of_each_since, from committed rows. This and what
  /// else asks about many scopes has its time limit for each thousand of them.
  [[nodiscard]] base::Result<std::vector<domain::budget::Sums>> spend_of_each_since(
      config::ScopeKind scope, std::span<const std::string_view> ids, base::WallTime since);
  /// As domain::budget::SpendHistory::overruns_of_each_since, from committed rows.
  [[nodiscard]] base::Result<std::vector<bool>> overruns_of_each_since(
      config::ScopeKind scope, std::span<const std::string_view> ids, base::WallTime since);
  /// As domain::budget::SpendHistory::live_scopes_since, from committed rows.
  [[nodiscard]] base::Result<std::vector<std::string>> live_scopes_since(config::ScopeKind scope,
                                                                         base::WallTime since,
                                                                         std::size_t most);
  /// Whether anything was ever charged to a scope, or corrected.
  [[nodiscard]] base::Result<bool> is_on_record(config::ScopeKind scope, std::string_view id);
  /// Whether a ledger row of a scope, charged at or after `since`, says that more was billed than
  /// held. Knows of rows only, not of the sums that outlive them. Reads the ledger from its newest
  /// end, without an index on time: not for the path of a call.
  [[nodiscard]] base::Result<bool> has_overrun_since(config::ScopeKind scope, std::string_view id,
                                                     base::WallTime since);
  /// The latest instant any charge counts for; absent before the first.
  [[nodiscard]] base::Result<std::optional<base::WallTime>> newest_charge();
  /// All scopes of a kind that were charged since then, dearest first; rounds `since` as above.
  [[nodiscard]] base::Result<std::vector<ScopeSpend>> spend_by_scope(config::ScopeKind scope,
                                                                     base::WallTime since);

  /// Events at or after `since`, newest first. `kind` empty: of every kind.
  [[nodiscard]] base::Result<std::vector<AuditEvent>> events(base::WallTime since,
                                                             std::string_view kind = {},
                                                             std::size_t limit = 1'000);
  /// Rows of the ledger, newest first.
  [[nodiscard]] base::Result<std::vector<LedgerRow>> ledger_rows(const LedgerFilter& filter);
  /// Whether ledger rows, audit rows and the sums per quarter of an hour agree. Reads all of them;
  /// has no time limit.
  [[nodiscard]] base::Result<LedgerReport> check_ledger();
  /// As AuditStore::journal_epoch.
  [[nodiscard]] base::Result<std::optional<std::uint64_t>> journal_epoch();
  [[nodiscard]] base::Result<std::vector<StoredKey>> keys();
  [[nodiscard]] base::Result<std::vector<Revocation>> revocations();
  [[nodiscard]] base::Result<std::vector<UnauthenticatedCount>> unauthenticated(
      base::WallTime since, std::size_t limit = 1'000);

  /// Recomputes the hash of every row. Reads the whole table; has no time limit.
  [[nodiscard]] base::Result<ChainReport> verify_chain();

  class Connection;

 private:
  explicit AuditReader(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace tollgate::store
