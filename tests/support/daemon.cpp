#include "support/daemon.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#include "support/process.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::testing {
namespace {

constexpr milliseconds kPoll{10};
/// A start under a sanitizer on a loaded machine: pattern compilation takes its time.
constexpr milliseconds kStartLimit{60'000};

bool poll_until(milliseconds limit, const std::function<bool()>& condition) {
  const SteadyTime until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

struct DbClose {
  void operator()(sqlite3* db) const noexcept { sqlite3_close(db); }
};
struct StatementFinalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};

}  // namespace

Daemon::Daemon(std::string yaml, DaemonOptions options) : options_(std::move(options)) {
  write_config(yaml);
  if (options_.start) start();
}

Daemon::~Daemon() {
  if (running()) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (::testing::Test::HasFailure()) {
    const std::string text = log();
    std::fprintf(stderr, "--- daemon log (last 8 KB) ---\n%s\n---\n",
                 text.substr(text.size() > 8192 ? text.size() - 8192 : 0).c_str());
  }
}

const std::string& Daemon::key(const std::string& name) {
  std::string& text = keys_[name];
  if (text.empty()) text = std::string(domain::keys::generate_key().reveal());
  return text;
}

std::string Daemon::expand(const std::string& yaml) {
  std::string out;
  std::size_t at = 0;
  for (;;) {
    const std::size_t open = yaml.find("@{", at);
    out += yaml.substr(at, open - at);
    if (open == std::string::npos) return out;
    const std::size_t close = yaml.find('}', open);
    const std::string name = yaml.substr(open + 2, close - open - 2);
    if (name.starts_with("digest:")) {
      out += "sha256:" + base::to_hex(base::sha256(key(name.substr(7))));
    } else {
      const auto found = options_.variables.find(name);
      if (found == options_.variables.end())
        throw std::runtime_error("no variable @{" + name + "}");
      out += found->second;
    }
    at = close + 1;
  }
}

void Daemon::write_config(const std::string& yaml) {
  std::string head = "version: 1\n";
  if (yaml.find("\nworkers:") == std::string::npos) head += "workers: 2\n";
  head += options_.listeners.empty()
              ? "listeners: [{name: main, address: \"127.0.0.1:0\", port_file: main.port}]\n"
              : options_.listeners + "\n";
  head += "admin: {address: \"127.0.0.1:0\", port_file: admin.port, token: ";
  head.append(kAdminToken);
  head += (options_.admin.empty() ? "" : ", " + options_.admin) + "}\n";
  head += "control_socket: tollgate.sock\nlog: {level: debug}\n";
  head += "audit: {path: audit.db" + (options_.audit.empty() ? "" : ", " + options_.audit) + "}\n";
  if (yaml.find("\nprices:") == std::string::npos) head += "prices: {file: \"\"}\n";
  // Tests send the same call over and over, which is what it is there to stop.
  if (yaml.find("\nloop_breaker:") == std::string::npos) head += "loop_breaker: observe\n";
  write_file(config_file(), expand(head + yaml));
}

void Daemon::start() {
  // A port file of an earlier run would be read before the new one is written.
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    if (entry.path().extension() == ".port") std::filesystem::remove(entry.path());
  }
  exit_code_.reset();
  pid_ = spawn({TOLLGATE_BINARY, "serve", "--config", config_file()}, dir_.path(),
               options_.environment, dir_.file("daemon.log"), dir_.file("daemon.log"));
  const milliseconds limit =
      options_.start_limit.count() > 0 ? options_.start_limit : milliseconds(kStartLimit);
  const bool up = poll_until(limit, [&] {
    return !running() || (std::filesystem::exists(file("admin.port")) &&
                          admin_get("/readyz", false).status == 200);
  });
  if (!up || !running()) {
    throw std::runtime_error("the daemon did not come up:\n" + log() + "\n--- configuration\n" +
                             read_file(config_file()));
  }
}

void Daemon::reload(const std::string& yaml) {
  write_config(yaml);
  send(SIGHUP);
}

void Daemon::send(int signal) const {
  ::kill(pid_, signal);
}

std::optional<int> Daemon::wait_exit(milliseconds limit) {
  poll_until(limit, [&] { return !running(); });
  return exit_code_;
}

bool Daemon::running() {
  if (pid_ <= 0 || exit_code_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) exit_code_ = exit_code_of(status);
  return !exit_code_;
}

bool Daemon::wait_log(std::string_view text, milliseconds limit) const {
  return poll_until(limit, [&] { return log().find(text) != std::string::npos; });
}

CommandResult Daemon::command(const std::vector<std::string>& arguments) const {
  return command(arguments, {options_.environment, false});
}

CommandResult Daemon::command(const std::vector<std::string>& arguments,
                              const CommandContext& context) const {
  static std::atomic<int> counter{0};
  const std::string name = dir_.file("command-" + std::to_string(counter++));
  std::vector<std::string> argv;
  std::string binary = TOLLGATE_BINARY;
  if (context.as_nobody) {
    // The build directory may be closed to others.
    binary = dir_.file("tollgate-for-others");
    if (!std::filesystem::exists(binary)) std::filesystem::copy_file(TOLLGATE_BINARY, binary);
    argv = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
  }
  argv.push_back(binary);
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const pid_t child = spawn(argv, dir_.path(), context.environment, name + ".out", name + ".err");
  int status = 0;
  ::waitpid(child, &status, 0);
  return {exit_code_of(status), read_file(name + ".out"), read_file(name + ".err")};
}

std::uint16_t Daemon::read_port(const std::string& name) const {
  std::string text;
  poll_until(kStartLimit, [&] {
    text = read_file(name);
    return !text.empty();
  });
  if (text.empty()) throw std::runtime_error("no port in " + name);
  return static_cast<std::uint16_t>(std::stoul(text));
}

std::uint16_t Daemon::port(const std::string& listener) const {
  return read_port(file(listener + ".port"));
}

std::uint16_t Daemon::admin_port() const {
  return read_port(file("admin.port"));
}

std::string Daemon::url() const {
  return "http://127.0.0.1:" + std::to_string(port());
}

std::string Daemon::post_bytes(const std::string& path, const std::string& body,
                               const std::string& key_name, const Headers& more) {
  Headers headers{{"content-type", "application/json"}};
  if (!key_name.empty()) headers.emplace_back("authorization", "Bearer " + key(key_name));
  headers.insert(headers.end(), more.begin(), more.end());
  return http_request("POST", path, headers, body);
}

Response Daemon::post(const std::string& path, const std::string& body, const std::string& key_name,
                      const Headers& more, milliseconds limit) {
  return connect().exchange(post_bytes(path, body, key_name, more), limit);
}

Response Daemon::get(const std::string& path, const std::string& key_name, const Headers& more) {
  Headers headers = more;
  if (!key_name.empty()) headers.emplace_back("authorization", "Bearer " + key(key_name));
  return connect().exchange(http_request("GET", path, headers));
}

std::vector<Row> Daemon::query(const std::string& sql) const {
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(file("audit.db").c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  const std::unique_ptr<sqlite3, DbClose> db(raw);
  if (rc != SQLITE_OK) return {};
  sqlite3_busy_timeout(db.get(), 2000);
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(db.get(), sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK) {
    throw std::runtime_error(sql + ": " + sqlite3_errmsg(db.get()));
  }
  const std::unique_ptr<sqlite3_stmt, StatementFinalize> statement(prepared);
  std::vector<Row> out;
  while (sqlite3_step(statement.get()) == SQLITE_ROW) {
    Row row;
    for (int i = 0; i < sqlite3_column_count(statement.get()); ++i) {
      const void* text = sqlite3_column_blob(statement.get(), i);
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), i));
      row[sqlite3_column_name(statement.get(), i)] =
          text == nullptr ? "" : std::string(static_cast<const char*>(text), size);
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<Row> Daemon::rows(std::size_t count, milliseconds limit) const {
  return rows_where("true", count, limit);
}

std::vector<Row> Daemon::rows_where(const std::string& condition, std::size_t count,
                                    milliseconds limit) const {
  std::vector<Row> out;
  poll_until(limit, [&] {
    // By the calls' order: two workers hand over records in theirs.
    out = query("SELECT * FROM audit WHERE " + condition + " ORDER BY started_us, seq");
    return out.size() >= count;
  });
  return out;
}

std::vector<Row> Daemon::events(const std::string& kind, std::size_t count,
                                milliseconds limit) const {
  std::vector<Row> out;
  poll_until(limit, [&] {
    out = query("SELECT * FROM event WHERE kind='" + kind + "' ORDER BY id");
    return out.size() >= count;
  });
  return out;
}

std::vector<Row> Daemon::exactly(std::size_t count) const {
  (void)rows(count);
  std::this_thread::sleep_for(milliseconds(200));
  return rows(0);
}

Response Daemon::admin_get(const std::string& path, bool with_token) const {
  Headers headers;
  if (with_token) headers.emplace_back("authorization", "Bearer " + std::string(kAdminToken));
  return RawClient(admin_port()).exchange(http_request("GET", path, headers), milliseconds(5'000));
}

MetricsText Daemon::metrics() const {
  return MetricsText(admin_get("/metrics").body);
}

bool Daemon::wait_metric(std::string_view name, const Labels& labels, double at_least,
                         milliseconds limit) const {
  return poll_until(limit, [&] { return metrics().value(name, labels) >= at_least; });
}

bool Daemon::metric_becomes(std::string_view name, double value) const {
  return poll_until(milliseconds(5'000), [&] { return metrics().value(name) == value; });
}

}  // namespace tollgate::testing
