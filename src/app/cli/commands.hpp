#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

/// The command line: one function per command, each registering itself and returning an exit code.
///
/// Exit codes: 0 done, 1 the answer is "no" (problems found, nothing matched, refused), 2 could not
/// be done (bad arguments, no daemon, no file).
namespace tollgate::app::cli {

inline constexpr int kOk = 0;
inline constexpr int kNo = 1;
inline constexpr int kFailed = 2;

/// What the parsed command line wants run.
using Action = std::function<int()>;

void add_serve(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_keys(CLI::App& app, Action& action);
void add_budgets(CLI::App& app, Action& action);
void add_audit(CLI::App& app, Action& action);
void add_ledger(CLI::App& app, Action& action);
void add_loops(CLI::App& app, Action& action);
void add_alerts(CLI::App& app, Action& action);
void add_cert(CLI::App& app, Action& action);
void add_health(CLI::App& app, Action& action);
void add_version(CLI::App& app, Action& action);

}  // namespace tollgate::app::cli
