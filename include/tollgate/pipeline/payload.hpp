#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/budget/pricing.hpp"
#include "tollgate/pipeline/route.hpp"
#include "tollgate/protocol/a2a/message.hpp"
#include "tollgate/protocol/jsonrpc/message.hpp"
#include "tollgate/protocol/llm/dialect.hpp"
#include "tollgate/protocol/llm/types.hpp"
#include "tollgate/protocol/mcp/message.hpp"

namespace tollgate::pipeline {

/// What a call carries, whichever protocol it speaks: the one place where stages ask about it.
///
/// Made by `interpret` from route and body. Views point into the context's document.
class Payload {
 public:
  enum class Kind : std::uint8_t {
    none,    ///< no body to read (GET, DELETE)
    model,   ///< a call in a model dialect
    rpc,     ///< an MCP or A2A message
    json,    ///< JSON of another /v1 path
    opaque,  ///< a body that is not JSON (multipart)
  };
  Kind kind = Kind::none;
  const protocol::llm::Dialect* dialect = nullptr;  ///< model and json
  protocol::llm::GovernedFields fields;             ///< model and json
  protocol::jsonrpc::Message rpc;                   ///< rpc

  std::string_view model;  ///< alias asked for; empty when there is none
  bool wants_stream = false;

  // MCP and A2A, for policy and the record
  std::string_view rpc_method;  ///< canonical
  std::string_view tool;        ///< MCP tool, prompt or resource named
  std::string task_id;          ///< A2A: asked for, or made by the agent
  protocol::mcp::Call mcp;
  protocol::a2a::Call a2a;
  /// A refusal that JSON-RPC has its own number for.
  std::optional<protocol::mcp::Fault> fault;
  /// The error status that the last attempt at an MCP server or agent brought; 0 without one.
  int peer_error_status = 0;
  bool billable = false;  ///< the call has a price
  bool safe_to_repeat = true;

  std::string trace_id, session_id, parent_id;
  /// Agents that delegated to one another down to this call, as far as they tell of it
  /// (x-tollgate-depth).
  std::uint32_t depth = 0;
  /// The MCP server's own id of the session the agent named and its key opened; empty without one.
  std::string_view mcp_session;

  /// What was settled, for the record.
  domain::budget::TokenCounts final_counts;

  [[nodiscard]] bool is_model_call() const noexcept { return kind == Kind::model; }
  /// A JSON-RPC message that has to be answered with one: no notification, response, GET or DELETE.
  [[nodiscard]] bool is_rpc_request() const noexcept {
    return kind == Kind::rpc && rpc.kind == protocol::jsonrpc::MessageKind::request &&
           !rpc.method.empty();
  }
  void reset();

  /// The most the call can use, for the hold, its media aside: what those count depends on the
  /// deployment. `body_bytes` of the body that is forwarded: a mask can lengthen it.
  [[nodiscard]] domain::budget::CallBound bound(std::size_t body_bytes) const;
  /// What the provider told. Where it does not tell how the call was served, either as it asked or
  /// as calls that ask for nothing are (`or_modifier`).
  [[nodiscard]] domain::budget::TokenCounts to_counts(const protocol::llm::Usage& usage) const;
  struct Use {
    domain::budget::TokenCounts counts;
    bool is_estimated = false;  ///< some of it is our guess
  };
  /// What a model call used: the counts its provider gave and, for a side it gave none of, a
  /// quarter of the bytes seen, but no less than what it did report. `is_final`: the answer is
  /// whole, else output told so far is only a part, and no input only not yet told.
  [[nodiscard]] Use use(const protocol::llm::Usage& usage, bool is_final,
                        std::size_t body_bytes) const;
  /// Answer text seen since the provider last told a count, for `use`: four to a token; of an
  /// answer that broke off before it could be read, its bytes.
  std::uint64_t output_text_bytes = 0;
  std::int64_t told_on_the_way = 0;  ///< that count, of output; 0 when it told none of any text yet
  std::int64_t last_told = 0;
  /// Tokens made in silence, before the agent left, as far as time shows.
  std::int64_t silent_tokens = 0;
  /// An event's text was seen; `told`: all output that the provider has counted by now, 0 if none.
  /// Providers that send a token an event are the most: what is less than two is one.
  void note_output(std::uint64_t token_quarters, std::int64_t told) noexcept {
    constexpr std::uint64_t kToken = 4;
    if (token_quarters > 0)
      output_text_bytes += token_quarters < 2 * kToken ? kToken : token_quarters;
    if (told <= last_told) return;
    last_told = told;
    // What is told before any text is no count of it.
    if (output_text_bytes == 0 && told_on_the_way == 0) return;
    told_on_the_way = told;
    output_text_bytes = 0;
  }
};

class RequestContext;

}  // namespace tollgate::pipeline
