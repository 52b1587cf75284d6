#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/demo/ask.hpp"
#include "domain/demo/model_name.hpp"
#include "domain/demo/text_source.hpp"

namespace tollgate::domain::demo {

/// Bytes of a tool call's arguments in one event of a stream.
inline constexpr std::size_t kArgumentPiece = 12;

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;
};

/// What the model says, before a dialect writes it down.
struct Answer {
  std::string id;     ///< hexadecimal, a hash of the request
  std::string model;  ///< as the request named it
  TextSource text{std::string()};
  bool refusal = false;
  std::vector<ToolCall> calls;
  std::int64_t choices = 1;
  std::int64_t input_tokens = 0;
  std::int64_t output_cap = 0;      ///< tokens; 0 = none
  std::int64_t billed_output = -1;  ///< tokens; < 0: what was said
  bool with_usage = true;

  /// Tokens of everything said, all choices, once the text has been read to its end.
  [[nodiscard]] std::int64_t output_tokens() const noexcept;
};
[[nodiscard]] Answer make_answer(const ModelName& model, const Ask& ask, const Request& request,
                                 std::string id);

/// The events of a stream, one after the other, each with its blank line.
class EventSource {
 public:
  virtual ~EventSource() = default;
  /// Replaces `event` by the next one; false at the end.
  virtual bool next(std::string& event) = 0;
  /// Events before the first piece of content.
  [[nodiscard]] virtual unsigned preamble() const noexcept = 0;
};

/// OpenAI chat completions (openai 6.49 types, read 2026-11).
[[nodiscard]] std::string openai_chat_body(Answer answer);
[[nodiscard]] std::unique_ptr<EventSource> openai_chat_events(Answer answer, bool include_usage);
[[nodiscard]] std::string openai_embeddings_body(const Ask& ask, const Answer& answer);
[[nodiscard]] std::string openai_models_body();
[[nodiscard]] std::string openai_error_body(int status, std::string_view message,
                                            std::string_view param);
/// Anthropic messages (@anthropic-ai/sdk 1.12 types, read 2026-11).
[[nodiscard]] std::string anthropic_message_body(Answer answer);
[[nodiscard]] std::unique_ptr<EventSource> anthropic_message_events(Answer answer);
[[nodiscard]] std::string anthropic_error_body(int status, std::string_view message,
                                               std::string_view id);

}  // namespace tollgate::domain::demo
