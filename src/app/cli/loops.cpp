#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/common.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::app::cli {
namespace {
namespace loops_command {

using nlohmann::json;

struct Options {
  std::string config = "config/tollgate.yaml";
  std::uint64_t id = 0;
  std::string key;
  bool as_json = false;
};

/// Stops are in the memory of a running gateway and nowhere else.
admin::Response ask(const Options& options, const std::string& method, const std::string& target,
                    const std::string& body) {
  const auto snapshot = load_beside(options.config);
  auto response = admin::control_call(snapshot->control_socket, method, target, body);
  if (response.status == 0)
    throw std::runtime_error("no gateway runs at " + snapshot->control_socket +
                             ": nothing is stopped");
  return response;
}

void print_stops(const json& body) {
  fmt::print("{:>6} {:<20} {:<12} {:<24} {:<10} {:>9}  {}\n", "ID", "KEY", "TARGET", "TRACE",
             "DETECTOR", "LEFT", "EVIDENCE");
  for (const auto& stop : body["stops"])
    fmt::print("{:>6} {:<20} {:<12} {:<24} {:<10} {:>7} s  {}\n", stop["id"].get<std::uint64_t>(),
               stop["key"].get<std::string>(), stop["target"].get<std::string>(),
               base::printable(stop.value("trace", "-"), 60), stop["detector"].get<std::string>(),
               stop["remaining_s"].get<std::int64_t>(), stop["evidence"].get<std::string>());
}

int list(const Options& options) {
  return print_answer(ask(options, "GET", "/loops", {}), options.as_json, print_stops);
}

int lift(const Options& options) {
  if ((options.id == 0) == options.key.empty())
    throw std::runtime_error("say which: the ID of a stop, or --key");
  const json wanted = options.id != 0 ? json{{"id", options.id}} : json{{"key", options.key}};
  return print_answer(
      ask(options, "POST", "/loops/lift", wanted.dump()), options.as_json,
      [](const json& body) { fmt::print("{} lifted\n", body["lifted"].get<std::size_t>()); });
}

}  // namespace loops_command
}  // namespace

void add_loops(CLI::App& app, Action& action) {
  using namespace loops_command;
  CLI::App* const command = app.add_subcommand(
      "loops", "What the loop breaker of a running gateway has stopped, and letting it go on");
  command->require_subcommand(0, 1);
  auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* what, int (*run)(const Options&)) {
    CLI::App* const sub = command->add_subcommand(name, what);
    sub->add_option("-c,--config", options->config, "Configuration file")->capture_default_str();
    sub->add_flag("--json", options->as_json, "As JSON");
    sub->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
    return sub;
  };
  command->add_option("-c,--config", options->config, "Configuration file")->capture_default_str();
  command->add_flag("--json", options->as_json, "As JSON");
  add("list", "The stops of now, newest first (what `loops` alone does)", list);
  CLI::App* const end = add("lift", "Ends a stop, or all that calls of a key caused", lift);
  end->add_option("id", options->id, "ID of the stop");
  end->add_option("--key", options->key, "Id of the key");
  command->callback([options, command, &action] {
    if (command->get_subcommands().empty()) action = [options] { return list(*options); };
  });
}

}  // namespace tollgate::app::cli
