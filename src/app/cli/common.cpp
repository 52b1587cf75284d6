#include "app/cli/common.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

#include "app/cli/commands.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"

namespace tollgate::app::cli {

using nlohmann::json;

config::SnapshotPtr load_beside(const std::string& path) {
  config::LoadOptions options;
  options.secrets = config::Secrets::leave_out;
  auto loaded = config::load_file(path, config::SystemEnv(), options);
  if (loaded.ok()) return loaded.snapshot;
  std::string text = "the configuration has problems:";
  for (const auto& problem : loaded.problems) text += "\n" + to_string(problem);
  throw std::runtime_error(text);
}

std::unique_ptr<store::AuditStore> open_store(const config::Snapshot& snapshot,
                                              const base::Clock& clock) {
  store::StoreOptions options;
  options.audit = snapshot.audit;
  auto opened = store::AuditStore::open(std::move(options), clock);
  if (opened.has_error())
    throw std::runtime_error(opened.error().message() + " " + opened.error().detail());
  return std::move(*opened);
}

bool has_store(const config::Snapshot& snapshot) {
  std::error_code why;
  const bool exists = std::filesystem::exists(snapshot.audit.path, why);
  if (why) throw std::runtime_error("cannot read " + snapshot.audit.path + ": " + why.message());
  return exists;
}

std::unique_ptr<store::AuditReader> open_reader(const config::Snapshot& snapshot,
                                                const store::ReaderOptions& options) {
  if (!has_store(snapshot)) return nullptr;
  return unwrap(store::AuditReader::open(snapshot.audit.path, options));
}

base::WallTime parse_when(const std::string& text, base::WallTime now) {
  if (const auto at = base::parse_rfc3339(text)) return *at;
  if (text.size() > 1) {
    const auto amount = base::parse_u64(std::string_view(text).substr(0, text.size() - 1));
    if (amount && *amount < 1'000'000) {
      const auto n = static_cast<std::int64_t>(*amount);
      switch (text.back()) {
        case 's':
          return now - std::chrono::seconds(n);
        case 'm':
          return now - std::chrono::minutes(n);
        case 'h':
          return now - std::chrono::hours(n);
        case 'd':
          return now - std::chrono::hours(24 * n);
        default:
          break;
      }
    }
  }
  throw std::runtime_error("expected a time like 2026-11-23T10:00:00Z, or 15m, 2h, 3d ago; got " +
                           base::printable(text));
}

int print_answer(const admin::Response& response, bool as_json,
                 const std::function<void(const json&)>& print) {
  const json body = json::parse(response.body, nullptr, false);
  if (response.status != 200) {
    const std::string message = body.is_object() && body.contains("error")
                                    ? body["error"].value("message", "")
                                    : response.body;
    fmt::print(stderr, "tollgate: {}\n", message);
    return response.status >= 500 ? kFailed : kNo;
  }
  if (as_json) {
    fmt::print("{}\n", body.dump(2));
  } else {
    print(body);
  }
  return kOk;
}

}  // namespace tollgate::app::cli
