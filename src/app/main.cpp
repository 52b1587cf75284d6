#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "app/cli/commands.hpp"
#include "tollgate/config/names.hpp"

namespace {

/// The first word that should be a command and is none, with the nearest one; false when every word
/// is fine (the error is about something else).
bool name_unknown_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) return false;
    std::vector<std::string> known;
    const CLI::App* next = nullptr;
    for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(command->get_name());
      if (command->get_name() == word) next = command;
    }
    if (known.empty()) return false;
    if (next == nullptr) {
      const std::string near = tollgate::config::nearest(word, known);
      fmt::print(stderr, "{}: unknown command \"{}\"; {}\n", at->get_name(), word,
                 near.empty() ? fmt::format("expected one of: {}", fmt::join(known, ", "))
                              : fmt::format("did you mean \"{}\"?", near));
      return true;
    }
    at = next;
  }
  return false;
}

}  // namespace

namespace {

int run(int argc, char** argv) {
  using namespace tollgate::app::cli;
  CLI::App app{
      "Tollgate: an agent gateway. Agents call models, tools and other agents through it; "
      "every call is authenticated, paid for within a cap, inspected, routed around "
      "failures, and on the record."};
  app.name("tollgate");
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done; 1 the answer is no (problems found, refused, nothing matched); "
      "2 could not be done.");
  Action action;
  add_serve(app, action);
  add_check(app, action);
  add_keys(app, action);
  add_budgets(app, action);
  add_ledger(app, action);
  add_audit(app, action);
  add_alerts(app, action);
  add_loops(app, action);
  add_cert(app, action);
  add_health(app, action);
  add_version(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0 && name_unknown_command(app, argc, argv)) return kFailed;
    return app.exit(error) == 0 ? kOk : kFailed;
  }
  return action ? action() : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "tollgate: %s\n", failure.what());
  } catch (...) {
    std::fputs("tollgate: failed for a reason unknown\n", stderr);
  }
  return tollgate::app::cli::kFailed;
}
