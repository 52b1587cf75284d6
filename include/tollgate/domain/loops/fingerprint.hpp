#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tollgate/json/document.hpp"
#include "tollgate/protocol/jsonrpc/message.hpp"
#include "tollgate/protocol/llm/types.hpp"

/// What two calls have in common when an agent runs in circles.
namespace tollgate::domain::loops {

enum class CallKind : std::uint8_t {
  model,         ///< a model is asked
  tool,          ///< MCP tools/call
  agent,         ///< A2A message/send, message/stream
  housekeeping,  ///< lists, pings, polling a task: never a repeat, but counted and retried
};

/// `turns` of a conversation that is kept elsewhere: how long it is cannot be told.
inline constexpr std::uint32_t kUnknownTurns = 0xFFFFFFFF;

/// Hashes of one call, comparable within this process only (seeded at its start, so that nobody
/// can choose texts that collide).
struct Fingerprint {
  CallKind kind = CallKind::housekeeping;
  /// The body's bytes, all of them: the same call sent again.
  std::uint64_t exact = 0;
  /// Equal for near-identical calls; 0: never compared.
  std::uint64_t near = 0;
  /// As `near`, with numbers and ids folded in the arguments of tool calls too; 0: as `near`.
  std::uint64_t reworded = 0;
  /// Equal for the calls of one conversation (first user message and end user, or A2A's context);
  /// 0: the call stands alone.
  std::uint64_t conversation = 0;
  std::uint32_t turns = 0;  ///< messages in the body
  /// The conversation may go on though `turns` stays: its beginning was cut off, or it ends in a
  /// tool's result. Others of one length are prompts that have examples in them.
  bool may_be_cut = false;
};

/// Fingerprint of a call to a model.
///
/// A call that goes on with a conversation (an answer of the model or the result of a tool is in
/// it) is known by its last turn: the tool calls the model made and what came back, or, when it
/// made none, its words and what it was told then. The history before that grows with every round
/// and is left out; so are the model, the system prompt, parameters and tool definitions, which an
/// agent may change without getting anywhere, and the words beside a tool call, which a model
/// finds anew every time. Folded: all in results and in the model's words; in what users write
/// times only, since two questions that differ in a number are two questions; in arguments
/// nothing (`near`) or all (`reworded`).
/// A call that stands alone is known by all its user messages and by its end user. So is one whose
/// history the provider keeps (`previous_response_id`, `conversation`), as long as nothing of the
/// model's is in its body; the id of a `conversation` counts as part of the end user.
///
/// @param read_bytes  text that is read, latest first, each message and part of one with its share
///                    of what is left; of a longer text beginning and end
/// Cost: one pass over that text and over the list of messages, a fast one over all bytes, no
/// allocation. Threads: any.
[[nodiscard]] Fingerprint fingerprint_of(const protocol::llm::GovernedFields& fields,
                                         const json::Document& body, std::size_t read_bytes);

/// Fingerprint of a call to the MCP server `target`: tools/call by tool and arguments, which are
/// compared as they are: going through tickets or pages by number is what tools are for.
[[nodiscard]] Fingerprint fingerprint_of_mcp(const protocol::jsonrpc::Message& message,
                                             std::string_view target, const json::Document& body,
                                             std::size_t read_bytes);

/// Fingerprint of a call to the A2A agent `target`: a message by its parts, without its ids.
[[nodiscard]] Fingerprint fingerprint_of_a2a(const protocol::jsonrpc::Message& message,
                                             std::string_view target, const json::Document& body,
                                             std::size_t read_bytes);

/// Fingerprint of a call whose body is no JSON, or which has none: housekeeping, the same again
/// when `what` (method and path) and bytes are.
[[nodiscard]] Fingerprint fingerprint_of_bytes(std::string_view method, std::string_view path,
                                               std::string_view body) noexcept;

/// A name (of a key, an owner, a trace) as the hashes use it; 0 for an empty one only.
[[nodiscard]] std::uint64_t hash_of_name(std::string_view name) noexcept;

}  // namespace tollgate::domain::loops
