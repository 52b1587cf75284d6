#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/result.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/protocol/llm/types.hpp"
#include "tollgate/protocol/sse/parser.hpp"

namespace tollgate::protocol::llm {

/// The field of chat completions in which a provider obeys an output cap.
enum class CapField : std::uint8_t {
  /// Understood by every compatible host, of which some ignore or refuse the newer name (Mistral,
  /// DeepSeek, older servers of vLLM and llama.cpp); OpenAI's reasoning models refuse it.
  max_tokens,
  max_completion_tokens,  ///< OpenAI and Azure themselves
};

/// What the stages ask of a model API's wire format: scan, edit, read, answer.
///
/// Purpose:  the pipeline stays the same for every dialect; nothing above protocol knows a field
///           name of a provider.
/// Place:    protocol; sans-IO, stateless, no clock. Implementations: openai::dialect(),
///           anthropic::dialect(). Threads: any. Nothing throws except for memory.
/// Facts:    docs/reference of the vendors as of 2026-11; what is not known is forwarded as it is,
///           and read (guardrails) or refused (cost) rather than trusted.
class Dialect {
 public:
  virtual ~Dialect() = default;
  [[nodiscard]] virtual DialectKind kind() const noexcept = 0;

  // ---- requests ----

  /// Reads the governed fields of a request body. `body` must outlive `out`.
  /// Errors: invalid_request with `param` for a body that is not an object, a missing model (not
  /// for other_json) or a governed field of the wrong type or range: what a provider might read
  /// differently is not guessed at.
  [[nodiscard]] virtual base::Result<void> scan(RequestKind kind, const json::Document& body,
                                                GovernedFields& out) const = 0;

  /// Writes another model name into the body. False when the body has none.
  bool set_model(const GovernedFields& fields, json::Splicer& edits, std::string_view model) const;

  /// Makes sure no more than `cap` tokens per choice are asked for: lowers each cap that is there
  /// and larger, adds `absent_field` when none is there (Anthropic has only max_tokens). Never
  /// raises a cap. False when the kind of request has no output to cap.
  virtual bool set_output_cap(const GovernedFields& fields, json::Splicer& edits, std::int64_t cap,
                              CapField absent_field) const = 0;

  /// Gives the agent's cap the name under which the provider obeys it, where the agent sent it
  /// under the newer one alone: ignored, it would bound nothing. True when the body was edited. The
  /// older name stays as it is: who knows only the newer one refuses it.
  bool name_output_cap(const GovernedFields& fields, json::Splicer& edits, CapField known) const;

  /// Asks for usage in the stream when the agent did not. True when the body was edited: then the
  /// event of class usage_only must not reach the agent. (The `"usage":null` the other chunks carry
  /// because of it stays: no client is known to mind, and removing it would rewrite every event.)
  virtual bool include_usage(const GovernedFields& fields, json::Splicer& edits) const = 0;

  /// Appends every text of a request that the model will read, in document order. Whatever is not
  /// known to be something else (ids, type tags, image data, signatures, encrypted content,
  /// parameters outside the prompt) counts as text, unknown fields included.
  virtual void request_texts(const GovernedFields& fields, std::vector<TextSpan>& out) const = 0;

  /// The most input tokens the text of a body can be: its bytes (a token has at least one) without
  /// those of media, plus what the provider adds around it. For bodies without unbounded input.
  [[nodiscard]] std::int64_t text_token_bound(std::size_t body_bytes,
                                              const GovernedFields& fields) const {
    return static_cast<std::int64_t>(body_bytes) - fields.media.encoded_bytes +
           tokens_around(fields);
  }
  /// What the provider adds around a prompt: markers, and what tools bring.
  [[nodiscard]] virtual std::int64_t tokens_around(const GovernedFields& fields) const = 0;

  // ---- JSON answers ----

  [[nodiscard]] virtual ResponseFacts read_response(const json::Document& body) const = 0;
  /// Appends every text of an answer that the agent will read.
  virtual void response_texts(const json::Document& body, std::vector<TextSpan>& out) const = 0;
  /// Empties what repeats the answer's text in a form guardrails cannot mask (OpenAI's logprobs),
  /// in a JSON answer or in one event's data. False, and nothing done, when there is none.
  virtual bool blank_shadow_text(const json::Document& body, json::Splicer& edits) const = 0;

  // ---- streams ----

  /// Reads one event. `scratch` parses its data and must live while `out` is used; `usage` is the
  /// stream's, brought up to date (providers report cumulative counts: taken, not added).
  /// Data that is not JSON is class `other` and not an error here.
  virtual void read_event(const sse::Event& event, json::Document& scratch, Usage& usage,
                          StreamEvent& out) const = 0;

  /// Appends an event with `text` as a piece of `channel`, made after an earlier event of the same
  /// stream (its id, model and the like): to send what was held back. `earlier` should be one that
  /// had a piece of that channel; `scratch` is overwritten.
  virtual void append_delta_like(std::string& out, std::string_view earlier_raw, Channel channel,
                                 std::string_view text, json::Document& scratch) const = 0;

  /// Appends the events of a regular end at the output cap (`length`, `max_tokens`).
  /// @param cut  the data of the event that the agent is not sent any more; empty when unreadable
  virtual void append_cap_end(std::string& out, json::NodeRef cut, const CapEnd& end) const = 0;

  /// The event that tells the agent its stream is broken; never a regular end.
  [[nodiscard]] virtual std::string error_event(const base::Error& error,
                                                std::string_view request_id) const = 0;

  // ---- answers of the gateway's own ----

  /// A JSON error body with the dialect's type, our stable code and the request id.
  [[nodiscard]] virtual std::string error_body(const base::Error& error,
                                               std::string_view request_id) const = 0;
  [[nodiscard]] virtual std::string models_body(std::span<const ModelEntry> models) const = 0;
};

[[nodiscard]] const Dialect& dialect(DialectKind kind) noexcept;

}  // namespace tollgate::protocol::llm
