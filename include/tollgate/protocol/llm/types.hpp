#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/json/document.hpp"
#include "tollgate/json/text_ref.hpp"

/// What the stages need to know of a model API, whichever dialect it is written in. Values only;
/// Dialect (dialect.hpp) makes them. All views and NodeRefs point into the json::Document they were
/// read from, and live as long as its parse.
namespace tollgate::protocol::llm {

enum class DialectKind : std::uint8_t { openai, anthropic };

/// What a request body is. `other_json`: any other path below /v1, governed as far as its fields
/// are known.
enum class RequestKind : std::uint8_t {
  chat_completions,  ///< OpenAI
  embeddings,        ///< OpenAI
  messages,          ///< Anthropic
  count_tokens,      ///< Anthropic
  other_json,        ///< either
};

/// Which cache writes the body may cause: the dearest price an input token can have follows from
/// it.
enum class CacheWrites : std::uint8_t {
  none,          ///< nothing asks for a cache (Anthropic writes only when asked)
  five_minutes,  ///< the provider's usual write price
  any,           ///< an hour-long cache is asked for, or it cannot be told
};

struct OfferedTool {
  std::string_view name;  ///< of a hosted tool without a name: its type
  json::NodeRef node;
  bool is_hosted = false;  ///< run by the provider, not by the agent
};

/// What of a request's input is no text, and counts otherwise than by its bytes.
struct MediaParts {
  std::int64_t images = 0;            ///< inside the body or by URL
  std::int64_t audios = 0;            ///< inside the body
  std::int64_t audio_bytes = 0;       ///< of all of them, decoded
  std::int64_t documents = 0;         ///< PDFs inside the body
  std::int64_t server_tool_uses = 0;  ///< of the provider's tools, where the body bounds them
  std::int64_t web_searches = 0;      ///< those of them that are searches
  /// The strings of the body that are images, audio and documents, in document order.
  std::vector<json::NodeRef> encoded;
  std::int64_t encoded_bytes = 0;  ///< of `encoded`, in the body

  [[nodiscard]] bool empty() const noexcept {
    return images == 0 && audios == 0 && documents == 0 && server_tool_uses == 0;
  }
  void add_encoded(json::NodeRef node) {
    encoded.push_back(node);
    encoded_bytes += static_cast<std::int64_t>(node.raw().size());
  }
  /// Keeps memory.
  void reset();
};

/// The few values of a request that auth, budget and router govern, and where they stand.
///
/// Made by Dialect::scan; meant to be kept with its Document in the request's context. An absent
/// field has an empty NodeRef and its default.
struct GovernedFields {
  RequestKind kind = RequestKind::other_json;
  json::NodeRef root;

  json::NodeRef model_node;
  std::string_view model;  ///< empty only for other_json

  json::NodeRef stream_node;
  bool stream = false;

  /// `max_tokens`, `max_completion_tokens` (OpenAI), `max_output_tokens` (other_json only). `null`
  /// counts as absent.
  json::NodeRef max_tokens_node, max_completion_tokens_node, max_output_tokens_node;
  /// The cap that binds, in tokens per choice: the largest, when several are there (which one a
  /// provider obeys is not known).
  std::optional<std::int64_t> output_cap;
  /// A lower cap than this the provider refuses: `thinking.budget_tokens` must be below it.
  std::int64_t least_output_cap = 0;
  /// Tokens that may be billed as output over the cap: a rejected `prediction`.
  std::int64_t extra_output_bound = 0;

  std::int64_t choices = 1;  ///< `n` (and `best_of`, the larger)

  json::NodeRef stream_options_node, include_usage_node;
  bool include_usage = false;  ///< the agent asked for the usage chunk

  std::string_view end_user;  ///< `user`, `safety_identifier` or `metadata.user_id`
  // How the call asks to be served; empty when absent.
  std::string_view service_tier;
  std::string_view speed;          ///< Anthropic
  std::string_view inference_geo;  ///< Anthropic
  std::vector<OfferedTool> tools;

  /// Why the body does not bound what the call may cost; empty when it does. A fixed text naming
  /// the field, fit for a message to the agent.
  std::string_view unbounded_reason;
  bool has_audio_input = false;   ///< audio inside the body
  bool has_audio_output = false;  ///< an answer in audio is asked for
  /// The input has parts no guardrail can read (token ids).
  bool has_opaque_text = false;
  CacheWrites cache_writes = CacheWrites::none;
  MediaParts media;

  [[nodiscard]] bool has_unbounded_input() const noexcept { return !unbounded_reason.empty(); }
  /// Forgets everything, keeping memory.
  void reset();
};

/// Who wrote a text, or what it is for; guardrail verdicts name it.
enum class TextRole : std::uint8_t {
  system,
  user,
  assistant,
  tool_result,
  tool_arguments,
  tool_definition,
  reasoning,
  refusal,
  other,
};
[[nodiscard]] std::string_view to_string(TextRole role) noexcept;

/// A text that the model (request) or the agent (response) will read.
struct TextSpan {
  json::TextRef ref;
  TextRole role = TextRole::other;
  /// Must go on unchanged (thinking with a signature): a guardrail may block, not mask.
  bool read_only = false;
  /// Stands where a vendor's structure is expected, so that names mean what the vendor says.
  bool in_structure = false;
};
/// An id, a type, the name of a model: text like any, but nobody generated it.
[[nodiscard]] bool is_tag(const TextSpan& span);

/// Tokens of one call, each counted once, whatever the provider's own way of counting. Of a side
/// that was not told, the counts are what is known to be used at least.
struct Usage {
  /// What the provider ran beside the answer itself (Anthropic's compaction, advisors).
  struct Beside {
    std::int64_t input = 0, output = 0, cache_read = 0, cache_write_5m = 0, cache_write_1h = 0;
  };

  std::int64_t input = 0;  ///< neither read from nor written to a cache
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;  ///< also writes of unstated duration
  std::int64_t cache_write_1h = 0;
  std::int64_t reasoning = 0;         ///< part of output
  std::int64_t audio_in = 0;          ///< part of input
  std::int64_t audio_out = 0;         ///< part of output
  std::int64_t audio_cache_read = 0;  ///< part of cache_read
  std::int64_t web_searches = 0;      ///< that the provider ran, billed by the piece
  bool input_told = false;            ///< the provider gave whole counts of what was sent
  bool output_told = false;           ///< it gave a whole count of all it generated
  bool is_absurd = false;             ///< it gave a count nobody can have used; taken for none
  /// It ran something whose count, or whose model's price, is not told here.
  bool leaves_open = false;
  Beside beside;  ///< part of the counts above
  // How the call was served; empty when not told.
  std::string service_tier;
  std::string speed;          ///< Anthropic
  std::string inference_geo;  ///< Anthropic

  [[nodiscard]] std::int64_t total_input() const noexcept {
    return input + cache_read + cache_write_5m + cache_write_1h;
  }
  /// Whether the counts, as far as they are told, are all that the call is billed for. Otherwise it
  /// is charged its hold at the least.
  [[nodiscard]] bool tells_cost() const noexcept { return !is_absurd && !leaves_open; }
};

/// What the record wants to know of a JSON answer.
struct ResponseFacts {
  Usage usage;
  std::string model;          ///< served
  std::string finish_reason;  ///< the dialect's own word, of the first choice
  std::uint32_t choices = 0;
  bool is_error = false;  ///< the body is an error object
  int error_status = 0;   ///< HTTP status the error stands for, 400-599; 0 when it does not say
};

enum class EventClass : std::uint8_t {
  start,       ///< opens the answer; nothing of it yet
  content,     ///< a piece of the answer
  finish,      ///< a choice or content block ends (it may carry content too: see pieces)
  usage_only,  ///< the usage chunk of OpenAI's include_usage: no choices
  done,        ///< the stream's regular end: `[DONE]`, `message_stop`
  error,       ///< the provider's error event
  ping,        ///< keep-alive
  other,       ///< not known: forward
};

enum class ChannelKind : std::uint8_t {
  text,
  reasoning,
  refusal,
  tool_arguments,
  other,  ///< any other string the agent will read (transcripts, whole texts, unknown fields)
};

/// Index of texts that are complete in their event: ids and tags, titles of citations, results of
/// hosted tools. No other event continues them.
inline constexpr std::uint32_t kWholeText = 0xFFFFFF;

/// Pieces of one channel, joined, are one text.
struct Channel {
  std::uint32_t index = 0;  ///< choice (OpenAI) or content block (Anthropic), or kWholeText
  ChannelKind kind = ChannelKind::text;
  std::uint32_t sub = 0;  ///< tool call of the choice; part of a reasoning; for `other` a place

  bool operator==(const Channel&) const = default;
  /// As one number, for maps: unique for indices below 2^24.
  [[nodiscard]] std::uint64_t key() const noexcept {
    return (std::uint64_t{index} & 0xFFFFFF) << 40 |
           std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 | sub;
  }
};

/// A string of an event that is a piece of the answer.
struct TextPiece {
  Channel channel;
  json::NodeRef node;
  /// Must go on unchanged (thinking, whose signature comes later).
  bool read_only = false;
  /// The node's key is meant, not its value. Whole texts only, which may be numbers too.
  bool is_key = false;
  /// Nothing but this piece depends on what the string says, as long as it says something: an event
  /// that differs from this one in free pieces only is read the same.
  bool is_free = false;
};

/// Tokens of a text times four, as a provider is likely to count it; `json` is what stands between
/// the quotes of a JSON string. For answers whose provider does not tell: no bound.
[[nodiscard]] std::uint64_t token_quarters(std::string_view json) noexcept;
/// The same of the text in the pieces of one event. What is said twice, on two channels of one
/// choice (hosts that name a reasoning by an old name and a new one), counts once.
[[nodiscard]] std::uint64_t token_quarters(const std::vector<TextPiece>& pieces) noexcept;
/// Whether another channel of the same choice has said the same in a piece before this one.
[[nodiscard]] bool is_said_twice(const std::vector<TextPiece>& pieces, std::size_t piece) noexcept;

/// What one event of a stream says. Reused from event to event by its owner.
struct StreamEvent {
  EventClass kind = EventClass::other;
  /// Something of the answer is in it (text, or the beginning of a tool call): the first one of a
  /// stream ends the time to first token.
  bool has_content = false;
  /// `data` is JSON that was parsed; false for pings, `[DONE]`, and data that is not JSON.
  bool is_json = false;
  /// The event is the one that was read before it, but for the pieces that are free (EventReader).
  bool repeats = false;
  /// Every string of the event that an agent could read, in document order; empty ones and encoded
  /// data are left out.
  std::vector<TextPiece> pieces;
  /// Choices (OpenAI) or content blocks (Anthropic) that end with this event, after its pieces.
  /// What is held back of their channels must go out before the event, or inside its pieces.
  std::vector<std::uint32_t> ended;
  bool ends_all = false;           ///< the answer ends: no more pieces of any channel
  bool has_usage = false;          ///< the Usage handed to read_event was brought up to date
  std::string_view finish_reason;  ///< the dialect's word; empty when none
  std::string_view model;          ///< served; empty when not told

  void reset();
};

/// A stream that the gateway ends at its output cap.
struct CapEnd {
  std::vector<std::uint32_t> choices;  ///< that have not told their end
  std::int64_t output_tokens = 0;      ///< that the agent is told
  std::string_view request_id;         ///< where the event at hand has no id
};

struct ModelEntry {
  std::string name;
  std::int64_t created_s = 0;  ///< Unix seconds
  std::string owned_by = "tollgate";
};

}  // namespace tollgate::protocol::llm
