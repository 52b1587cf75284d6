#pragma once

#include <chrono>
#include <optional>

#include "tollgate/base/clock.hpp"
#include "tollgate/protocol/http/header_section.hpp"

namespace tollgate::protocol::http {

/// How long an upstream asks to be left alone: `retry-after-ms` (milliseconds, fractions allowed),
/// else `Retry-After` as seconds or HTTP-date. Never negative; at most 24 h; absent when neither is
/// well formed. RFC 9110 10.2.3; the OpenAI and Anthropic SDKs read both, 2026-11.
[[nodiscard]] std::optional<std::chrono::milliseconds> retry_after(const HeaderSection& headers,
                                                                   base::WallTime now);
/// `x-should-retry: true|false`, which overrides every status rule in the vendors' SDKs.
[[nodiscard]] std::optional<bool> should_retry(const HeaderSection& headers) noexcept;

}  // namespace tollgate::protocol::http
