#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "app/cli/commands.hpp"

int main(int argc, char** argv) {
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
  add_audit(app, action);
  add_cert(app, action);
  add_health(app, action);
  add_version(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kFailed;
  }
  try {
    return action ? action() : kFailed;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "tollgate: {}\n", failure.what());
    return kFailed;
  }
}
