#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli/commands.hpp"
#include "tollgate/admin/http_service.hpp"
#include "tollgate/config/load.hpp"

namespace tollgate::app::cli {

void add_health(CLI::App& app, Action& action) {
  CLI::App* const command = app.add_subcommand(
      "health", "Ask the running gateway whether it is ready (for container health checks)");
  auto path = std::make_shared<std::string>("config/tollgate.yaml");
  command->add_option("-c,--config", *path, "Configuration file")->capture_default_str();
  command->callback([path, &action] {
    action = [path] {
      auto loaded = config::load_file(*path, config::SystemEnv());
      if (!loaded.ok()) {
        for (const auto& problem : loaded.problems) fmt::print(stderr, "{}\n", to_string(problem));
        return kFailed;
      }
      const auto response =
          admin::control_call(loaded.snapshot->control_socket, "GET", "/readyz", {});
      if (response.status == 0) {
        fmt::print("no gateway answers on {}\n", loaded.snapshot->control_socket);
        return kFailed;
      }
      fmt::print("{}\n", response.body);
      return response.status == 200 ? kOk : kNo;
    };
  });
}

}  // namespace tollgate::app::cli
