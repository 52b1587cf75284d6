// How the gateway ends: what runs is waited for, then told, then cut; what is settled is flushed.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "app/gateway.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {

bool Gateway::quiesce() {
  // Completion hooks run to their end between two tasks of a loop: when each worker has run this
  // one, whatever had been settled before is with the store.
  struct Latch {
    std::mutex mutex;
    std::condition_variable all_ran;
    std::size_t left = 0;
  };
  constexpr auto kPatience = std::chrono::seconds(5);
  const auto latch = std::make_shared<Latch>();
  latch->left = workers_.size();
  for (const auto& host : workers_) {
    host->worker().post([latch] {
      const std::lock_guard lock(latch->mutex);
      if (--latch->left == 0) latch->all_ran.notify_all();
    });
  }
  std::unique_lock lock(latch->mutex);
  return latch->all_ran.wait_for(lock, kPatience, [&] { return latch->left == 0; });
}

Gateway::Stopped Gateway::stop(const std::function<bool()>& forced) {
  ready_.store(false);
  draining_.store(true);
  // A change under way is seen through; none begins any more.
  { const std::lock_guard lock(change_mutex_); }
  const config::SnapshotPtr snapshot = in_force().snapshot;
  const auto sessions = [this] {
    std::int64_t total = 0;
    for (const auto& host : workers_) total += host->sessions();
    return total;
  };
  constexpr auto kTick = std::chrono::milliseconds(10);
  constexpr auto kForcedGrace = std::chrono::milliseconds(1000);
  constexpr auto kHastyGrace = std::chrono::milliseconds(250);
  telemetry::log::info("draining", {{"connections", sessions()}});
  for (const auto& host : workers_) host->announce_drain();
  const auto accept_until = clock_.mono() + snapshot->timeouts.drain_min_delay;
  while (clock_.mono() < accept_until && !forced()) std::this_thread::sleep_for(kTick);
  for (const auto& acceptor : acceptors_) acceptor->stop();
  for (const auto& host : workers_) host->drain();
  const auto deadline = clock_.mono() + snapshot->timeouts.drain;
  while (sessions() > 0 && clock_.mono() < deadline && !forced())
    std::this_thread::sleep_for(kTick);
  const bool clean = sessions() == 0;
  if (!clean) {
    telemetry::log::warn("drain_forced", {{"connections", sessions()}});
    for (const auto& host : workers_) host->end_calls();
    // Time for an error event to be written, not for a slow reader to take it. Who signals again
    // is in a hurry.
    const auto told_at = clock_.mono();
    const auto grace = [&] { return forced() ? kHastyGrace : kForcedGrace; };
    while (sessions() > 0 && clock_.mono() < told_at + grace()) std::this_thread::sleep_for(kTick);
    for (const auto& host : workers_) host->force();
    const auto patience = clock_.mono() + std::chrono::seconds(5);
    while (sessions() > 0 && clock_.mono() < patience) std::this_thread::sleep_for(kTick);
  }
  // Connections that calls gave back during the drain are idle now: nothing may keep a loop alive.
  for (const auto& host : workers_) host->force();
  for (const auto& host : workers_) host->worker().release();
  for (const auto& host : workers_) host->worker().join();
  alerts_->stop(forced() ? kHastyGrace : kForcedGrace);
  // Whatever has no row by now is in the journal, and gets one at the next start.
  const bool is_all_on_record =
      store_->flush_now() && ledger_->open_holds() == 0 && ledger_->uncommitted() == 0;
  journal_->close(is_all_on_record);
  auto flushed = store_->stop();
  journal_->remove();
  Stopped result;
  if (flushed.has_error()) {
    result.lost = flushed.error().message();
    // Every record that was admitted and not committed holds its slot still.
    result.lost_records = std::max<std::uint64_t>(1, store_->stats().slots_in_use.load());
    telemetry::log::error("audit_not_flushed", {{"message", result.lost}});
  }
  if (admin_) admin_->stop();
  control_->stop();
  for (const store::Revocation& revocation : store_->unwritten_revocations()) {
    result.lost_revocations.push_back(revocation.key_id);
    telemetry::log::error("revocation_lost",
                          {{"id", revocation.key_id},
                           {"message",
                            "not on disk: revoke this key again before or at once after "
                            "the next start"}});
  }
  result.clean = clean && result.lost.empty() && result.lost_revocations.empty();
  telemetry::log::info("stopped", {{"clean", result.clean}, {"records_lost", result.lost_records}});
  return result;
}

}  // namespace tollgate::app
