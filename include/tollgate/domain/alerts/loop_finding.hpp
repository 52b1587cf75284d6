#pragma once

#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/domain/loops/loop_breaker.hpp"

namespace tollgate::domain::alerts {

/// What the loop breaker found at one call and nobody was told of yet. A view: lives for the call
/// that tells it.
struct LoopFinding {
  const loops::Verdict& verdict;  ///< is_news
  base::WallTime at;
  std::string_view key_id;
  std::string_view trace;       ///< session or trace id of the call; empty: none. No credential.
  std::string_view request_id;  ///< of the call
};

}  // namespace tollgate::domain::alerts
