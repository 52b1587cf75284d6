// The audit writer's CPU per row: whole store, its own thread, records paced or as fast as it goes.
//
//   store_bench [directory] [part of a name]     (default: the working directory; put it on the
//   disk that matters)
//
// Each line: rows, bodies, batch pacing, keys; CPU microseconds of the writer thread per row (all
// of it: hash, ledger row, sums, indexes, body segment, checkpoints), rows per second, bytes per
// row.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/id.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_store.hpp"

namespace {

using namespace tollgate;
using store::AuditBody;
using store::AuditRecord;

struct Case {
  const char* name;
  std::size_t rows;
  std::size_t body_bytes;
  int rows_per_second;  // 0 = as fast as the writer takes them
  int flush_ms;
  int keys;
  bool sync_full;
};

AuditBody body_of(const std::string& text) {
  AuditBody body;
  body.captured = true;
  body.full_bytes = text.size();
  body.stored = text;
  return body;
}

AuditRecord make_record(base::IdGenerator& ids, const base::Clock& clock, std::size_t i,
                        const Case& c, const std::string& text) {
  AuditRecord r;
  const base::WallTime now = clock.wall();
  r.request_id = ids.next("req_", now);
  r.started = now;
  r.principal.key_id = "key-" + std::to_string(i % static_cast<std::size_t>(c.keys));
  r.principal.agent = "agent-" + std::to_string(i % static_cast<std::size_t>(c.keys));
  r.principal.team = "research";
  r.principal.org = "example";
  r.client_address = "192.0.2.17";
  r.surface = "openai";
  r.method = "POST";
  r.path = "/v1/chat/completions";
  r.model_asked = "fast";
  r.model_served = "gpt-4o-mini-2024-07-18";
  r.provider = "openai";
  r.deployment = "fast/openai/gpt-4o-mini";
  r.attempts.push_back({"fast/openai/gpt-4o-mini", "ok", 200, 41, 180'000, "", {123'456}});
  r.verdicts.push_back({"pii", "email", "mask", "request", 1});
  r.tokens = {.input = 210, .output = 180, .cache_read = 1'024};
  r.cost = {123'456};
  r.held = {2'000'000};
  r.price_source = "catalogue";
  r.total_us = 180'120;
  r.gateway_us = 11;
  r.upstream_us = 180'000;
  r.ttft_us = 90'000;
  r.status = 200;
  r.request_bytes = r.response_bytes = c.body_bytes;
  r.config_digest = "5d41402abc4b2a76b9719d911017c592";
  if (c.body_bytes > 0) {
    r.request_body = body_of(text);
    r.response_body = body_of(text);
  }
  return r;
}

void run(const Case& c, const std::string& directory) {
  namespace fs = std::filesystem;
  const std::string path = directory + "/store_bench.tmp";
  fs::remove_all(path);
  const base::SystemClock clock;
  store::StoreOptions options;
  options.audit.path = path + "/tollgate.db";
  options.audit.flush_interval = std::chrono::milliseconds(c.flush_ms);
  options.audit.sync_full = c.sync_full;
  auto opened = store::AuditStore::open(options, clock);
  if (opened.has_error()) {
    std::fprintf(stderr, "%s\n", opened.error().message().c_str());
    return;
  }
  auto& audit = **opened;
  audit.start();
  base::IdGenerator ids;
  store::RecordMemory memory;
  const std::string text(c.body_bytes, 'x');
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < c.rows; ++i) {
    if (c.rows_per_second > 0 && (c.rows_per_second < 1'000 || i % 8 == 0)) {
      std::this_thread::sleep_until(
          begin + std::chrono::nanoseconds(1'000'000'000ll / c.rows_per_second) * i);
    }
    while (!audit.try_reserve()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    audit.record(make_record(ids, clock, i, c, text), memory);
  }
  audit.flush_now();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the CPU figure is set after a turn
  const double cpu = static_cast<double>(audit.stats().writer_cpu_us.load());
  const double rows = static_cast<double>(audit.stats().rows_written.load());
  const auto batches = audit.stats().batches.load();
  (void)audit.stop();
  const auto reader = store::AuditReader::open(options.audit.path);
  const auto chain = (*reader)->verify_chain();
  std::printf("%-34s %8.0f rows  %6.2f us/row  %8.0f rows/s  %5.0f rows/batch  %5.0f B/row  %s\n",
              c.name, rows, cpu / rows, rows / took.count(), rows / static_cast<double>(batches),
              static_cast<double>(fs::file_size(options.audit.path)) / rows,
              chain->problem.empty() ? "chain ok" : chain->problem.c_str());
  std::fflush(stdout);
  fs::remove_all(path);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : ".";
  const std::string only = argc > 2 ? argv[2] : "";
  for (const Case& c : {
           Case{"no bodies, as fast as it goes", 200'000, 0, 0, 10, 20, false},
           Case{"2 x 1 KB, as fast as it goes", 200'000, 1'024, 0, 10, 20, false},
           Case{"2 x 1 KB, 10,000 keys", 200'000, 1'024, 0, 10, 10'000, false},
           Case{"2 x 1 KB, 5,000/s, 10 ms", 50'000, 1'024, 5'000, 10, 20, false},
           Case{"2 x 1 KB, 5,000/s, 10 ms, one key", 50'000, 1'024, 5'000, 10, 1, false},
           Case{"2 x 1 KB, 5,000/s, 25 ms, one key", 50'000, 1'024, 5'000, 25, 1, false},
           Case{"2 x 1 KB, 5,000/s, 50 ms, one key", 50'000, 1'024, 5'000, 50, 1, false},
           Case{"2 x 1 KB, 40/s, 25 ms, one key", 400, 1'024, 40, 25, 1, false},
           Case{"2 x 1 KB, synchronous=FULL", 200'000, 1'024, 0, 10, 20, true},
           Case{"2 x 64 KB", 20'000, 65'536, 0, 10, 20, false},
       }) {
    if (std::string(c.name).find(only) != std::string::npos) run(c, directory);
  }
  return 0;
}
