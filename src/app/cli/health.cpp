#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/common.hpp"

namespace tollgate::app::cli {
namespace {
namespace health_command {

struct Options {
  std::string config = "config/tollgate.yaml";
  bool as_json = false;
  bool url = false;
};

int health(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const auto response = admin::control_call(snapshot->control_socket, "GET", "/health", {});
  if (response.status == 0) {
    fmt::print(stderr, "tollgate: no gateway answers on {}\n", snapshot->control_socket);
    return kFailed;
  }
  const auto body = nlohmann::json::parse(response.body);
  const bool ready = response.status == 200;
  if (options.as_json) {
    fmt::print("{}\n", body.dump());
  } else if (options.url) {
    if (!body["urls"].empty()) fmt::print("{}\n", body["urls"][0].get<std::string>());
  } else if (ready) {
    fmt::print("ready\n");
  } else {
    fmt::print("not ready: {}\n", body["reason"].get<std::string>());
  }
  return ready ? kOk : kNo;
}

}  // namespace health_command
}  // namespace

void add_health(CLI::App& app, Action& action) {
  using namespace health_command;
  CLI::App* const command = app.add_subcommand(
      "health", "Ask the running gateway whether it is ready (for container health checks)");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config, "Configuration file")->capture_default_str();
  command->add_flag("--json", options->as_json, "As JSON: ready, reason, urls");
  command->add_flag("--url", options->url, "Print the URL of the first listener instead");
  command->callback([options, &action] { action = [options] { return health(*options); }; });
}

}  // namespace tollgate::app::cli
