#pragma once

#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::protocol::openai {

/// OpenAI's chat completions and embeddings (and other /v1 bodies as far as they are alike).
[[nodiscard]] const llm::Dialect& dialect() noexcept;

}  // namespace tollgate::protocol::openai
