#pragma once

#include <cstdint>
#include <string>

#include "tollgate/pipeline/context.hpp"
#include "tollgate/protocol/llm/types.hpp"

namespace tollgate::stages {

/// Watches that a stream keeps to the output cap that its provider was sent.
///
/// Purpose:  a hold bounds what a call costs only while its provider keeps to the cap. One that
/// does
///           not is ended (spending.on_ignored_cap), its connection closed.
/// Counts:   from below, since nobody may cut an honest stream: what the provider itself says it
///           has generated, or what no tokenizer makes fewer tokens of: a token for eight
///           characters, one for an event that is a word or more, and repeated characters not at
///           all. A stream is over its cap when that is a quarter and kSlack above it; at a token
///           an event that is soon, in large pieces at about twice the cap.
/// Cost:     a look at each character of a piece; nothing when it is off.
/// Lifetime: of one stream. Not thread-safe.
class OutputLimit {
 public:
  static constexpr std::int64_t kSlack = 64;

  explicit OutputLimit(const pipeline::RequestContext& context);

  /// Counts an event. True: with it the stream certainly has more output than its cap allows.
  [[nodiscard]] bool is_broken_by(const protocol::llm::StreamEvent& said,
                                  const protocol::llm::Usage& usage) {
    return is_on_ && count(said, usage);
  }

 private:
  [[nodiscard]] bool count(const protocol::llm::StreamEvent& said,
                           const protocol::llm::Usage& usage);

  bool is_on_ = false;
  std::int64_t allowed_ = 0;       ///< tokens, of all choices
  std::int64_t most_eighths_ = 0;  ///< when that many are counted it is certain
  char last_ = 0;                  ///< byte of the text seen
  std::int64_t eighths_ = 0;       ///< of a token, counted from below
};

/// The end of an answer that reached its cap, in the words of the caller's dialect.
/// @param cut   data of the event that is not sent any more
/// @param ended choices that have told their end
void append_end_at_cap(const pipeline::RequestContext& context, std::string_view cut,
                       const std::vector<std::uint32_t>& ended, std::string& out);

/// What the agent is told instead, by spending.on_ignored_cap: error.
[[nodiscard]] base::Error error_of_ignored_cap(const pipeline::RequestContext& context);

}  // namespace tollgate::stages
