#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/metrics_text.hpp"
#include "support/raw_client.hpp"
#include "support/temp_dir.hpp"

namespace tollgate::testing {

/// One row of a query on the audit database; NULL is "".
using Row = std::map<std::string, std::string>;

struct CommandResult {
  int exit_code = -1;
  std::string out;  ///< standard output
  std::string err;  ///< standard error
};

/// How a command is run when it is not run as the daemon was.
struct CommandContext {
  std::map<std::string, std::string> environment;
  bool as_nobody = false;  ///< another user; needs root
};

/// What a Daemon is started with, beyond the sections every test shares.
struct DaemonOptions {
  /// `@{NAME}` in the YAML becomes the value.
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> environment;
  std::string listeners;  ///< replaces the one plain listener named `main`
  std::string audit;      ///< more keys of `audit`, "key: value, key: value"
  std::string admin;      ///< more keys of `admin`
  bool start = true;
  /// How long the daemon may take to be ready; 0: long enough for a loaded machine.
  milliseconds start_limit{0};
};

/// The real binary with a configuration of its own, on free ports, below a temporary directory.
///
/// The test's YAML holds what matters to it (providers, models, keys, ...); version, listeners,
/// admin port, control socket and audit file are added. In it `@{digest:NAME}` makes a virtual key
/// on first use and stands for its digest; key(NAME) is the key itself.
///
/// Lifetime: the process ends with the object, by SIGKILL when it did not end before. The log is in
/// `log()` and printed when a test failed. Throws std::runtime_error when the daemon does not come
/// up. Threads: post() and get() may be called from any thread, the rest from the test's.
class Daemon {
 public:
  explicit Daemon(std::string yaml, DaemonOptions options = {});
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  // ---- process ----
  void start();
  /// Writes the configuration anew and sends SIGHUP; tollgate_config_reloads_total tells when it
  /// was seen.
  void reload(const std::string& yaml);
  void send(int signal) const;
  /// The exit code (128 + signal when killed by one); empty when it still runs after `limit`.
  std::optional<int> wait_exit(milliseconds limit);
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] std::string log() const { return read_file(dir_.file("daemon.log")); }
  bool wait_log(std::string_view text, milliseconds limit = milliseconds(5'000)) const;
  /// Runs `tollgate <arguments>` in the daemon's directory; `--config` is not added.
  CommandResult command(const std::vector<std::string>& arguments) const;
  CommandResult command(const std::vector<std::string>& arguments,
                        const CommandContext& context) const;

  // ---- places ----
  [[nodiscard]] std::uint16_t port(const std::string& listener = "main") const;
  [[nodiscard]] std::uint16_t admin_port() const;
  [[nodiscard]] std::string url() const;
  [[nodiscard]] const std::string& dir() const noexcept { return dir_.path(); }
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }
  [[nodiscard]] std::string config_file() const { return dir_.file("tollgate.yaml"); }
  /// The virtual key of `@{digest:NAME}`.
  const std::string& key(const std::string& name = "agent");

  // ---- calls ----
  [[nodiscard]] RawClient connect() const { return RawClient(port()); }
  /// One POST on a connection of its own, `authorization: Bearer` and JSON content type added.
  Response post(const std::string& path, const std::string& body,
                const std::string& key_name = "agent", const Headers& more = {},
                milliseconds limit = milliseconds(15'000));
  Response get(const std::string& path, const std::string& key_name = "agent",
               const Headers& more = {});
  /// The bytes post() would send.
  std::string post_bytes(const std::string& path, const std::string& body,
                         const std::string& key_name = "agent", const Headers& more = {});

  // ---- what it left behind ----
  /// Rows of a SELECT on the audit database, opened read-only beside the running daemon.
  std::vector<Row> query(const std::string& sql) const;
  /// All audit rows in the order the calls began, once there are at least `count` (or fewer after
  /// `limit`).
  std::vector<Row> rows(std::size_t count, milliseconds limit = milliseconds(5'000)) const;
  /// Those of them that an SQL condition names.
  std::vector<Row> rows_where(const std::string& condition, std::size_t count,
                              milliseconds limit = milliseconds(5'000)) const;
  /// Events of a kind, oldest first, once there are at least `count` (or fewer after `limit`).
  std::vector<Row> events(const std::string& kind, std::size_t count,
                          milliseconds limit = milliseconds(5'000)) const;
  /// Waits until no further row comes: `count` and not one more within 200 ms.
  std::vector<Row> exactly(std::size_t count) const;

  // ---- admin ----
  Response admin_get(const std::string& path, bool with_token = true) const;
  MetricsText metrics() const;
  /// Polls until the metric has reached `at_least`.
  bool wait_metric(std::string_view name, const Labels& labels, double at_least,
                   milliseconds limit = milliseconds(5'000)) const;
  /// A gauge settles behind the answer, not before it: waits until it has the value.
  bool metric_becomes(std::string_view name, double value) const;

  static constexpr std::string_view kAdminToken = "admin-token-of-the-integration-tests";

 private:
  std::string expand(const std::string& yaml);
  void write_config(const std::string& yaml);
  std::uint16_t read_port(const std::string& file) const;

  TempDir dir_;
  DaemonOptions options_;
  std::map<std::string, std::string> keys_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace tollgate::testing
