#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli/commands.hpp"
#include "app/config_checks.hpp"
#include "tollgate/config/load.hpp"

namespace tollgate::app::cli {
namespace {
namespace check_command {

nlohmann::json to_json(const config::Problem& problem) {
  return {{"file", problem.file},
          {"line", problem.line},
          {"column", problem.column},
          {"path", problem.path},
          {"what", problem.what},
          {"expected", problem.expected},
          {"suggestion", problem.suggestion}};
}

int check(const std::string& path, bool as_json, bool dump) {
  config::LoadOptions options;
  options.further_checks = [](const config::Snapshot& read,
                              const std::vector<config::SourceFile>& sources) {
    return serving_problems(read, sources);
  };
  const auto loaded = config::load_file(path, config::SystemEnv(), options);
  const bool good = loaded.problems.empty();
  const int code = good ? kOk : loaded.unreadable ? kFailed : kNo;
  if (as_json) {
    nlohmann::json out = {
        {"ok", good}, {"problems", nlohmann::json::array()}, {"warnings", nlohmann::json::array()}};
    for (const auto& problem : loaded.problems) out["problems"].push_back(to_json(problem));
    for (const auto& warning : loaded.warnings) out["warnings"].push_back(to_json(warning));
    if (dump && loaded.ok())
      out["configuration"] = nlohmann::json::parse(config::dump(*loaded.snapshot));
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return code;
  }
  for (const auto& problem : loaded.problems) fmt::print("{}\n", to_string(problem));
  for (const auto& warning : loaded.warnings) fmt::print("warning: {}\n", to_string(warning));
  if (good && dump) fmt::print("{}\n", config::dump(*loaded.snapshot));
  if (good && !dump) fmt::print("{}: ok\n", path);
  return code;
}

}  // namespace check_command
}  // namespace

void add_check(CLI::App& app, Action& action) {
  using namespace check_command;
  CLI::App* const command = app.add_subcommand(
      "check", "Read a configuration and print every problem as file:line:col: path: ...");
  struct Options {
    std::string path = "config/tollgate.yaml";
    bool as_json = false;
    bool dump = false;
  };
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config,config", options->path, "Configuration file")
      ->capture_default_str();
  command->add_flag("--json", options->as_json, "Problems and warnings as JSON");
  command->add_flag("--dump", options->dump,
                    "Also print the configuration as understood (secrets as ***)");
  command->callback([options, &action] {
    action = [options] { return check(options->path, options->as_json, options->dump); };
  });
}

}  // namespace tollgate::app::cli
