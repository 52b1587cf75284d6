#include "unit/budget/simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tollgate/config/names.hpp"
#include "unit/budget/keep_fairly.hpp"

namespace tollgate::domain::budget::simulation {

base::Result<std::optional<base::WallTime>> Record::newest_charge() {
  std::optional<base::WallTime> newest;
  for (const auto& [scope, rows] : rows_)
    for (const Row& row : rows)
      if (!newest || row.at > *newest) newest = row.at;
  return newest;
}

base::Result<std::vector<std::string>> Record::live_scopes_since(config::ScopeKind kind,
                                                                 base::WallTime since,
                                                                 std::size_t most) {
  std::vector<std::pair<base::WallTime, std::string>> found;
  for (const auto& [scope, rows] : rows_) {
    if (scope.first != kind) continue;
    const auto last = std::max_element(rows.begin(), rows.end(),
                                       [](const Row& a, const Row& b) { return a.at < b.at; });
    if (last->at >= since) found.emplace_back(last->at, scope.second);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  keep_fairly(found, most, [](const auto& entry) { return entry.second; });
  std::vector<std::string> ids;
  ids.reserve(found.size());
  for (auto& [at, id] : found) ids.push_back(std::move(id));
  return ids;
}

std::string to_string(const Trace& trace) {
  std::string text =
      fmt::format("{}{} {}{} usd {} tokens {} requests {} at {}", trace.call,
                  trace.is_attempt ? " (attempt)" : "", trace.is_settled ? "settled" : "held",
                  trace.is_estimated ? " (estimated)" : "", trace.amounts.usd.value,
                  trace.amounts.tokens, trace.amounts.requests, trace.held_at_us);
  for (const auto& [kind, id] : trace.scopes)
    text += fmt::format(" {}={}", config::name_of(kind), id);
  return text;
}

std::optional<std::vector<Trace>> JournalFile::read(std::span<const std::byte> image) const {
  std::vector<Trace> out;
  for (std::size_t at = 0; at < image.size(); at += Journal::kSlotBytes) {
    const Journal::Read read = Journal::read(image.subspan(at, Journal::kSlotBytes), false);
    if (read.verdict == Journal::Read::Verdict::damaged) return std::nullopt;
    if (read.verdict == Journal::Read::Verdict::empty) continue;
    const JournalEntry& entry = read.entry;
    Trace trace;
    trace.call = entry.request_id;
    trace.is_attempt = entry.is_attempt;
    trace.is_settled = entry.state == JournalEntry::State::settled;
    trace.is_estimated = entry.is_estimated;
    trace.amounts = entry.amounts;
    trace.held_at_us = entry.held_at_us;
    for (std::size_t i = 0; i < entry.size; ++i) {
      const auto name = names_.find(entry.scopes[i]);
      if (name == names_.end()) return std::nullopt;
      Name scope = name->second;
      if (scope.first == config::ScopeKind::session) scope.second += entry.session;
      if (scope.first == config::ScopeKind::end_user) scope.second += entry.end_user;
      trace.scopes.push_back(std::move(scope));
    }
    out.push_back(std::move(trace));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<std::vector<std::byte>> cut(std::vector<std::byte> before,
                                          const std::vector<std::byte>& after, std::size_t bytes) {
  // Slots used for the first time in between were free before.
  if (const std::size_t known = before.size(); known < after.size()) {
    before.resize(after.size());
    Journal::format(std::span(before).subspan(known));
  }
  std::optional<std::size_t> changed;
  for (std::size_t at = 0; at < before.size(); at += Journal::kSlotBytes) {
    const auto from = static_cast<std::ptrdiff_t>(at);
    if (std::equal(before.begin() + from, before.begin() + from + Journal::kSlotBytes,
                   after.begin() + from))
      continue;
    if (changed) return std::nullopt;
    changed = at;
  }
  if (!changed) return std::nullopt;
  const auto slot = std::span(before).subspan(*changed, Journal::kSlotBytes);
  const auto fresh = std::span(after).subspan(*changed, Journal::kSlotBytes);
  const auto version_changed = [&](std::size_t at) {
    return !std::equal(slot.begin() + static_cast<std::ptrdiff_t>(at),
                       slot.begin() + static_cast<std::ptrdiff_t>(at + Journal::kVersionBytes),
                       fresh.begin() + static_cast<std::ptrdiff_t>(at));
  };
  // More than one update of it.
  if (version_changed(0) && version_changed(Journal::kVersionBytes)) return std::nullopt;
  tear(slot, fresh, bytes);
  return before;
}

}  // namespace tollgate::domain::budget::simulation
