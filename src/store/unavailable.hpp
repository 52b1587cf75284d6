#pragma once

#include <string>
#include <utility>

#include "tollgate/base/result.hpp"

namespace tollgate::store {

/// The record or the journal cannot be written or read: what, and what the system says of it.
[[nodiscard]] inline base::Error unavailable(std::string message, std::string detail = {}) {
  return base::Error(base::ErrorCode::audit_unavailable, std::move(message), std::move(detail));
}

}  // namespace tollgate::store
