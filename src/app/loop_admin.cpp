#include "app/loop_admin.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

#include "tollgate/base/time_format.hpp"

namespace tollgate::app {

using domain::loops::Stop;
using nlohmann::json;

namespace {

json to_json(const Stop& stop) {
  json out{{"id", stop.id},
           {"target", std::string(to_string(stop.target))},
           {"detector", std::string(to_string(stop.detector))},
           {"key", stop.key_id},
           {"evidence", stop.evidence}};
  if (!stop.trace.empty()) out["trace"] = stop.trace;
  return out;
}

std::string dump(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string stops_json(const domain::loops::LoopBreaker& breaker, const base::Clock& clock) {
  const base::MonoTime now = clock.mono();
  const base::WallTime wall = clock.wall();
  const auto at = [&](base::MonoTime time) {
    return base::format_rfc3339(wall +
                                std::chrono::duration_cast<base::WallTime::duration>(time - now));
  };
  json stops = json::array();
  for (const Stop& stop : breaker.stops(now)) {
    json& row = stops.emplace_back(to_json(stop));
    row["since"] = at(stop.since);
    row["until"] = at(stop.until);
    row["remaining_s"] = std::chrono::ceil<std::chrono::seconds>(stop.until - now).count();
  }
  return dump({{"stops", stops}});
}

base::Result<LoopLift> read_lift(const std::string& text) {
  LoopLift out;
  try {
    const json body = json::parse(text);
    if (body.contains("id")) out.id = body.at("id").get<std::uint64_t>();
    if (body.contains("key")) out.key = body.at("key").get<std::string>();
  } catch (const std::exception&) {
    out = {};
  }
  if ((out.id == 0) == out.key.empty())
    return base::Error(base::ErrorCode::invalid_request,
                       R"(expected {"id": <stop>} or {"key": "..."})");
  return out;
}

std::vector<Stop> lift(domain::loops::LoopBreaker& breaker, const LoopLift& wanted,
                       base::MonoTime now) {
  if (wanted.id == 0) return breaker.lift_key(wanted.key, now);
  std::vector<Stop> lifted;
  if (auto stop = breaker.lift(wanted.id, now)) lifted.push_back(std::move(*stop));
  return lifted;
}

store::AuditEvent event_of_lift(const Stop& stop) {
  store::AuditEvent event;
  event.kind = "loop_lifted";
  event.scope = config::ScopeKind::key;
  event.scope_id = stop.key_id;
  event.detail = dump(to_json(stop));
  return event;
}

}  // namespace tollgate::app
