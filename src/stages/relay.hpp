#pragma once

#include <span>
#include <string>
#include <vector>

#include "stages/output_limit.hpp"
#include "stages/wire.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/stream_event.hpp"
#include "tollgate/protocol/llm/event_reader.hpp"
#include "tollgate/protocol/sse/parser.hpp"

namespace tollgate::stages {

/// How relaying one event stream ended.
enum class RelayEnd : std::uint8_t {
  complete,     ///< the stream's own end was seen and passed on
  not_started,  ///< it broke before anything was sent: the router may fail over
  cut,          ///< it broke after the commit point: error event sent, connection cut
  stopped,      ///< a stage ended it (guardrail): error event sent, connection cut
  cancelled,    ///< the agent left, or (error event sent) the gateway was told to stop
};

/// Relays one event stream: bytes in, events through the chain, bytes out.
///
/// No queue between the two sockets: each piece read is parsed to the end, its events are run
/// through the stages, and what comes out is written in one gathered write before the next read.
/// Written against UpstreamExchange and Downstream only, so that tests script both.
/// Lifetime: of one attempt. Not thread-safe.
class Relay {
 public:
  /// @param first_event_by  of a model's stream: when its first event, or a comment, must be there
  Relay(pipeline::RequestContext& context, pipeline::UpstreamExchange& exchange,
        bool usage_injected, std::string header_lines, base::Deadline first_event_by);

  /// Writes what is ready, the head first: before run(), the head alone. False: the agent is gone.
  base::Task<bool> flush();
  base::Task<RelayEnd> run();
  /// Why it broke, when it did.
  [[nodiscard]] pipeline::TransportFailure failure() const noexcept { return failure_; }
  /// The provider sent its error event first, before anything of an answer.
  [[nodiscard]] bool error_first() const noexcept { return error_first_; }
  /// The status that this error names, 0 when it names none, and its JSON.
  [[nodiscard]] int error_status() const noexcept { return error_status_; }
  [[nodiscard]] const std::string& error_body() const noexcept { return error_body_; }

 private:
  [[nodiscard]] bool take(const pipeline::BodyChunk& chunk);
  [[nodiscard]] bool nothing_yet() const noexcept { return !any_event_ && !started_; }
  /// Nothing that comes is for the agent any more.
  [[nodiscard]] bool is_cut_short() const noexcept {
    return stopped_ || error_first_ || !end_at_cap_.empty();
  }
  void drain_parser();
  void take_event(const protocol::sse::Event& event);
  void relay_event(const protocol::sse::Event& event, bool has_credential);
  [[nodiscard]] bool observe();
  void observe_rpc(const protocol::sse::Event& event);
  void stop_at_cap(const protocol::sse::Event& event);
  [[nodiscard]] bool is_model() const noexcept;
  [[nodiscard]] bool is_over() const noexcept;
  [[nodiscard]] bool ended_early() const;
  void append(const protocol::sse::Event& event);
  void end_with(const base::Error& error);
  [[nodiscard]] bool start();
  std::span<const std::string_view> pending();
  base::Task<RelayEnd> finish_stream();

  pipeline::RequestContext& context_;
  pipeline::UpstreamExchange& exchange_;
  bool usage_injected_;
  base::Deadline first_event_by_, drained_by_;
  std::string header_lines_;
  protocol::sse::Parser parser_;
  protocol::llm::EventReader reader_;
  pipeline::StreamEvent event_;
  std::string out_;
  std::string_view out_piece_;  ///< all of out_, while it is written
  pipeline::TransportFailure failure_ = pipeline::TransportFailure::none;
  bool started_ = false;   ///< start_stream was called
  bool end_seen_ = false;  ///< the answer's end went by: the dialect's mark, every choice's, or the
                           ///< response to a JSON-RPC request
  bool mark_seen_ = false;       ///< `[DONE]`, `message_stop`, the last response: all has come
  bool ended_by_usage_ = false;  ///< end_seen_ for a usage event alone
  bool counted_ = false;         ///< the usage came behind the end of every choice
  bool can_be_resumed_ =
      false;  ///< events have ids: an MCP server may end the stream and go on later
  bool provider_said_so_ = false;  ///< the stream broke with an error event, which was passed on
  std::vector<std::uint32_t> finished_;  ///< choices that said why they ended
  OutputLimit output_limit_;
  std::string end_at_cap_;  ///< the stream's end instead of all that is to come
  protocol::llm::Usage unpriced_usage_;
  std::string redacted_;
  bool stopped_ = false;
  bool error_first_ = false;
  int error_status_ = 0;
  std::string error_body_;
  bool any_event_ = false;
};

}  // namespace tollgate::stages
