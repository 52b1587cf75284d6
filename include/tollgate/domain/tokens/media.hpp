#pragma once

#include <cstdint>

#include "tollgate/config/snapshot.hpp"
#include "tollgate/protocol/llm/types.hpp"

namespace tollgate::domain::tokens {

/// What the parts of a request that are no text count at most on one deployment.
struct MediaBound {
  std::int64_t tokens = 0;  ///< of all of them together
  /// The whole input is read again for each use of a tool that the provider runs.
  std::int64_t server_tool_uses = 0;
  std::int64_t server_tool_tokens = 0;  ///< what each use brings
  bool is_known = true;                 ///< false: for some of it nothing bounds

  /// All input tokens of a call with so many of text. Saturates.
  [[nodiscard]] std::int64_t input_tokens(std::int64_t text) const noexcept;
};

/// Constants per model, by the deployment's configuration, else by its tokenizer and the model's
/// name; docs/prices.md lists them with their sources. Any thread.
[[nodiscard]] MediaBound bound_media(const protocol::llm::MediaParts& parts,
                                     const config::Deployment& deployment) noexcept;

}  // namespace tollgate::domain::tokens
