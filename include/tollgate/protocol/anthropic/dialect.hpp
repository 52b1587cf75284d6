#pragma once

#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::protocol::anthropic {

/// Anthropic's messages and count_tokens.
[[nodiscard]] const llm::Dialect& dialect() noexcept;

}  // namespace tollgate::protocol::anthropic
