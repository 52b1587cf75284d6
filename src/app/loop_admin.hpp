#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/domain/loops/loop_breaker.hpp"
#include "tollgate/store/audit_event.hpp"

namespace tollgate::app {

/// {"stops": [...]}, newest first, with wall times: what GET /loops answers (docs/admin.md).
[[nodiscard]] std::string stops_json(const domain::loops::LoopBreaker& breaker,
                                     const base::Clock& clock);

/// Which stops an operator ends: one, or all of a key.
struct LoopLift {
  std::uint64_t id = 0;  ///< 0: by key
  std::string key;
};
/// Reads {"id": 7} or {"key": "coder"}. Errors: invalid_request, saying what is wrong.
[[nodiscard]] base::Result<LoopLift> read_lift(const std::string& json);
/// Ends them. @return those that were in force
[[nodiscard]] std::vector<domain::loops::Stop> lift(domain::loops::LoopBreaker& breaker,
                                                    const LoopLift& wanted, base::MonoTime now);
/// The event on record: who was let go on, and from what.
[[nodiscard]] store::AuditEvent event_of_lift(const domain::loops::Stop& stop);

}  // namespace tollgate::app
