#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tollgate/admin/http_service.hpp"
#include "tollgate/base/clock.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_store.hpp"

/// What the commands beside a gateway share. Failures are std::runtime_error with the text to show;
/// main prints it and exits with kFailed.
namespace tollgate::app::cli {

/// The configuration without its secrets: whoever revokes a leaked key has no provider credentials
/// at hand. Throws every problem, one per line.
[[nodiscard]] config::SnapshotPtr load_beside(const std::string& path);

/// The store, to write to it while no gateway does. Makes one where there is none: commands that
/// only read use open_reader.
[[nodiscard]] std::unique_ptr<store::AuditStore> open_store(const config::Snapshot& snapshot,
                                                            const base::Clock& clock);
/// Whether there is a store yet. Throws when that cannot be told.
[[nodiscard]] bool has_store(const config::Snapshot& snapshot);
/// The store, to read it; null when there is none yet. A file that may not be read is a failure.
[[nodiscard]] std::unique_ptr<store::AuditReader> open_reader(
    const config::Snapshot& snapshot, const store::ReaderOptions& options = {});

template <class T>
[[nodiscard]] T unwrap(base::Result<T> result) {
  if (result.has_error()) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

/// "2026-11-23T10:00:00Z", or "15m", "2h", "3d" ago.
[[nodiscard]] base::WallTime parse_when(const std::string& text, base::WallTime now);

/// NULL of a column for an empty text.
[[nodiscard]] inline nlohmann::json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

/// Prints an answer of the control socket: `print` for people, the JSON as it is, or the error.
/// @return kOk; kNo when the gateway refused; kFailed when it could not.
[[nodiscard]] int print_answer(const admin::Response& response, bool as_json,
                               const std::function<void(const nlohmann::json&)>& print);

}  // namespace tollgate::app::cli
