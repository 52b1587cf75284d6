#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <string>
#include <thread>

#include "app/cli/commands.hpp"
#include "app/gateway.hpp"
#include "tollgate/base/clock.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app::cli {
namespace {
namespace serve_command {

/// Lets what large bodies took go back to the system when they end. Left alone, glibc serves blocks
/// of up to 32 MB from its arenas once it has seen one freed, and keeps the holes: 128 MB counted
/// for bodies were 400 MB resident.
void bound_kept_memory() {
  constexpr int kOwnMapping = 1 << 20;  // from here on a block is one
  constexpr int kKeptFree = 8 << 20;    // per arena, so that usual bodies find their memory warm
  // Before any thread runs.
  ::mallopt(M_MMAP_THRESHOLD, kOwnMapping);  // NOLINT(concurrency-mt-unsafe)
  ::mallopt(M_TRIM_THRESHOLD, kKeptFree);    // NOLINT(concurrency-mt-unsafe)
}

/// TERM and INT, where they are blocked.
bool is_told_to_stop() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  const timespec now{0, 0};
  return sigtimedwait(&ends, nullptr, &now) > 0;
}

/// While it lives, TERM and INT end the process at once: making a gateway can take minutes
/// (patterns that compile slowly, a record to migrate), and nothing can interrupt it. What it has
/// written by then is whole: the record changes in transactions, and port files come with the
/// start.
class StartWatch {
 public:
  StartWatch() : thread_([this] { watch(); }) {}
  ~StartWatch() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    over_.notify_one();
    thread_.join();
  }
  StartWatch(const StartWatch&) = delete;
  StartWatch& operator=(const StartWatch&) = delete;

 private:
  void watch() {
    constexpr auto kTick = std::chrono::milliseconds(10);
    std::unique_lock lock(mutex_);
    while (!over_.wait_for(lock, kTick, [this] { return is_over_; })) {
      if (!is_told_to_stop()) continue;
      // Not through the logger, which is being set up.
      using namespace telemetry::log;
      const std::string line =
          format_line(true, base::SystemClock().wall(), Level::info, "stopped_while_starting", {});
      fmt::print(stderr, "{}\n", line);
      std::_Exit(kOk);
    }
  }

  std::mutex mutex_;
  std::condition_variable over_;
  bool is_over_ = false;
  std::thread thread_;
};

int serve(const std::string& path) {
  bound_kept_memory();
  // A core dump would hold every credential in memory.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(SIGPIPE, SIG_IGN);
  // Blocked before any thread exists, so that only the wait below takes them.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  std::unique_ptr<Gateway> gateway;
  try {
    const StartWatch watch;
    gateway = std::make_unique<Gateway>(path);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "{}\n", failure.what());
    return kFailed;
  }
  gateway->start();
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) break;
    gateway->reload();
  }
  // A second TERM or INT ends the drain at once; HUP means nothing any more.
  bool forced = false;
  const Gateway::Stopped stopped = gateway->stop([&forced] {
    forced = forced || is_told_to_stop();
    return forced;
  });
  if (!stopped.lost.empty())
    fmt::print(stderr, "audit rows were lost, and the spend in them: {}\n", stopped.lost);
  for (const std::string& id : stopped.lost_revocations)
    fmt::print(stderr, "the revocation of key {} was lost: revoke it again\n", id);
  const bool all_written = stopped.lost.empty() && stopped.lost_revocations.empty();
  const int code = forced || !all_written ? kNo : kOk;
  // All is on record and every socket closed. A reload that still compiles patterns would keep the
  // process for minutes, and changes nothing any more.
  if (gateway->is_reloading()) std::_Exit(code);
  return code;
}

}  // namespace serve_command
}  // namespace

void add_serve(CLI::App& app, Action& action) {
  using namespace serve_command;
  CLI::App* const command = app.add_subcommand(
      "serve", "Run the gateway. SIGHUP reloads the configuration, SIGTERM drains and stops");
  command->footer(
      "Exit codes: 0 stopped, all calls on record (those the drain deadline cut, too), or told to "
      "stop before it had started; 1 a second "
      "signal ended the drain, or calls or revocations could not be written to the record; 2 did "
      "not start.");
  auto path = std::make_shared<std::string>("config/tollgate.yaml");
  command->add_option("-c,--config", *path, "Configuration file")->capture_default_str();
  command->callback([path, &action] { action = [path] { return serve(*path); }; });
}

void add_version(CLI::App& app, Action& action) {
  CLI::App* const command = app.add_subcommand("version", "Print the version");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([as_json, &action] {
    action = [as_json] {
      if (*as_json) {
        fmt::print("{{\"version\":\"{}\",\"compiler\":\"{}\"}}\n", TOLLGATE_VERSION, __VERSION__);
      } else {
        fmt::print("tollgate {}\n", TOLLGATE_VERSION);
      }
      return kOk;
    };
  });
}

}  // namespace tollgate::app::cli
