// The gauges of the process: read from their owners at each scrape, counted nowhere twice.
#include "app/gateway.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {

using telemetry::Family;

void Gateway::register_loop_metrics() {
  using domain::loops::Detector;
  const auto gauge = [this](Family family, auto read, std::string_view a = {},
                            std::string_view b = {}) {
    registry_->callback(family, a, b, [this, read] {
      return static_cast<std::int64_t>(read(loops_->counters(clock_.mono())));
    });
  };
  using Counters = domain::loops::LoopBreaker::Counters;
  for (std::size_t i = 0; i < domain::loops::kDetectors; ++i) {
    const std::string_view name = to_string(static_cast<Detector>(i));
    gauge(
        Family::loop_findings, [i](const Counters& c) { return c.enforced[i]; }, name,
        config::name_of(config::LoopMode::enforce));
    gauge(
        Family::loop_findings, [i](const Counters& c) { return c.observed[i]; }, name,
        config::name_of(config::LoopMode::observe));
  }
  gauge(Family::loop_refusals, [](const Counters& c) { return c.refused; });
  gauge(Family::loop_untold, [](const Counters& c) { return c.untold; });
  gauge(Family::loop_stops, [](const Counters& c) { return c.active; });
  gauge(
      Family::loop_evicted, [](const Counters& c) { return c.evicted; }, "calls");
  gauge(
      Family::loop_evicted, [](const Counters& c) { return c.evicted_stops; }, "stops");
}

void Gateway::register_metrics() {
  const auto gauge = [this](Family family, auto read, std::string_view a = {}) {
    registry_->callback(family, a, {}, read);
  };
  const auto& stats = store_->stats();
  gauge(Family::audit_queue_depth,
        [&stats] { return static_cast<std::int64_t>(stats.slots_in_use.load()); });
  gauge(Family::audit_rows,
        [&stats] { return static_cast<std::int64_t>(stats.rows_written.load()); });
  gauge(Family::audit_drops,
        [&stats] { return static_cast<std::int64_t>(stats.records_dropped.load()); });
  const auto stat = [&](Family family, auto member, std::string_view part = {}) {
    gauge(
        family, [&stats, member] { return static_cast<std::int64_t>((stats.*member).load()); },
        part);
  };
  stat(Family::audit_bodies_dropped, &store::StoreStats::bodies_dropped);
  stat(Family::audit_writer_errors, &store::StoreStats::writer_errors);
  stat(Family::audit_rows_rejected, &store::StoreStats::rows_rejected);
  stat(Family::audit_rows_expired, &store::StoreStats::rows_expired);
  stat(Family::audit_bytes, &store::StoreStats::db_bytes, "database");
  stat(Family::audit_bytes, &store::StoreStats::wal_bytes, "wal");
  stat(Family::audit_bytes, &store::StoreStats::segment_bytes, "segments");
  gauge(Family::accept_errors, [this] {
    std::uint64_t errors = 0;
    for (const auto& acceptor : acceptors_) errors += acceptor->errors();
    return static_cast<std::int64_t>(errors);
  });
  gauge(Family::audit_events_dropped,
        [&stats] { return static_cast<std::int64_t>(stats.events_dropped.load()); });
  gauge(Family::webhook_queue_depth, [this] { return alerts_->deliveries_under_way(); });
  gauge(Family::audit_unwritable, [this] { return std::int64_t{store_->writable() ? 0 : 1}; });
  gauge(Family::cooldowns_active,
        [this] { return static_cast<std::int64_t>(cooldowns_.active_count(clock_.mono())); });
  gauge(Family::task_failures,
        [] { return static_cast<std::int64_t>(telemetry::log::task_failures()); });
  gauge(Family::config_generation,
        [this] { return static_cast<std::int64_t>(generation_.load()); });
  gauge(Family::holds, [this] { return ledger_->held().value; });
  gauge(
      Family::journal_slots, [this] { return static_cast<std::int64_t>(ledger_->open_holds()); },
      "held");
  gauge(
      Family::journal_slots, [this] { return static_cast<std::int64_t>(ledger_->uncommitted()); },
      "uncommitted");
  gauge(
      Family::journal_slots,
      [this] { return static_cast<std::int64_t>(journal_->journal().capacity()); }, "all");
  gauge(Family::journal_unsafe, [this] { return std::int64_t{journal_->is_safe() ? 0 : 1}; });
  gauge(Family::live_scopes, [this] { return static_cast<std::int64_t>(ledger_->live_scopes()); });
  register_loop_metrics();
  const auto sum = [this](auto member) {
    return [this, member] {
      std::int64_t total = 0;
      for (const auto& host : workers_)
        total += (host->pool_counters().*member).load(std::memory_order_relaxed);
      return total;
    };
  };
  gauge(Family::upstream_connections, sum(&net::PoolCounters::idle), "idle");
  gauge(Family::upstream_connections, sum(&net::PoolCounters::busy), "busy");
  gauge(Family::upstream_connections, sum(&net::PoolCounters::waiting), "waiting");
  gauge(Family::limit_hits, sum(&net::PoolCounters::head_overruns),
        to_string(base::Limit::upstream_header_bytes));
  gauge(Family::upstream_connects, sum(&net::PoolCounters::connects));
  gauge(Family::upstream_reuses, sum(&net::PoolCounters::reuses));
  for (const auto& host : workers_) {
    server::WorkerHost* const raw = host.get();
    gauge(
        Family::worker_lag, [raw] { return raw->worker().lag().count(); },
        std::to_string(raw->worker().index()));
  }
  registry_->callback(Family::build_info, TOLLGATE_VERSION, __VERSION__,
                      [] { return std::int64_t{1}; });
}

}  // namespace tollgate::app
