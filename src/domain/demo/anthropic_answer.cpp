#include <algorithm>

#include "domain/demo/answer.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::domain::demo {
namespace {

std::string_view stop_reason(const Answer& answer) {
  if (answer.refusal) return "refusal";
  if (!answer.calls.empty()) return "tool_use";
  return answer.text.was_cut() ? "max_tokens" : "end_turn";
}

void write_usage(std::int64_t input, std::int64_t output, json::Writer& w) {
  w.begin_object().member("input_tokens", input);
  w.key("cache_creation_input_tokens").integer(0).key("cache_read_input_tokens").integer(0);
  w.member("output_tokens", output).member("service_tier", "standard").end_object();
}

/// Members of a message up to its content.
void write_head(const Answer& answer, json::Writer& w) {
  w.begin_object().member("id", "msg_" + answer.id).member("type", "message");
  w.member("role", "assistant").member("model", answer.model).key("content");
}

class MessageEvents final : public EventSource {
 public:
  explicit MessageEvents(Answer answer) : answer_(std::move(answer)) {}

  bool next(std::string& event) override {
    event.clear();
    switch (step_) {
      case Step::start:
        start(event);
        step_ = Step::block;
        break;
      case Step::block:
        block_start(event);
        step_ = Step::delta;
        break;
      case Step::delta:
        if (!delta(event)) {
          begin(event, "content_block_stop").member("index", block_).end_object();
          ++block_;
          step_ =
              static_cast<std::size_t>(block_) < answer_.calls.size() ? Step::block : Step::message;
        }
        break;
      case Step::message:
        message_delta(event);
        step_ = Step::stop;
        break;
      case Step::stop:
        begin(event, "message_stop").end_object();
        step_ = Step::end;
        break;
      case Step::end:
        return false;
    }
    event += "\n\n";
    return true;
  }
  [[nodiscard]] unsigned preamble() const noexcept override { return 2; }

 private:
  enum class Step : std::uint8_t { start, block, delta, message, stop, end };

  json::Writer begin(std::string& event, std::string_view type) {
    event += "event: ";
    event += type;
    event += "\ndata: ";
    json::Writer w(event);
    w.begin_object().member("type", type);
    return w;
  }

  void start(std::string& event) {
    json::Writer w = begin(event, "message_start");
    w.key("message");
    write_head(answer_, w);
    w.begin_array().end_array().key("stop_reason").null().key("stop_sequence").null();
    if (answer_.with_usage) {
      w.key("usage");
      write_usage(answer_.input_tokens,
                  std::min<std::int64_t>(1, answer_.billed_output < 0 ? 1 : answer_.billed_output),
                  w);
    }
    w.end_object().end_object();
  }

  void block_start(std::string& event) {
    json::Writer w = begin(event, "content_block_start");
    w.member("index", block_).key("content_block").begin_object();
    if (answer_.calls.empty()) {
      w.member("type", "text").member("text", "");
    } else {
      const ToolCall& call = answer_.calls[static_cast<std::size_t>(block_)];
      w.member("type", "tool_use").member("id", "toolu_" + call.id).member("name", call.name);
      w.key("input").begin_object().end_object();
      argument_ = 0;
      first_piece_ = true;
    }
    w.end_object().end_object();
  }

  bool delta(std::string& event) {
    std::string_view type = "text_delta", member = "text";
    if (answer_.calls.empty()) {
      if (!answer_.text.next(piece_)) return false;
    } else {
      const std::string& arguments = answer_.calls[static_cast<std::size_t>(block_)].arguments;
      if (!first_piece_ && argument_ >= arguments.size()) return false;
      // The first piece is empty, as the real service sends it.
      piece_ = first_piece_ ? std::string() : arguments.substr(argument_, kArgumentPiece);
      argument_ += piece_.size();
      first_piece_ = false;
      type = "input_json_delta";
      member = "partial_json";
    }
    json::Writer w = begin(event, "content_block_delta");
    w.member("index", block_).key("delta").begin_object();
    w.member("type", type).member(member, piece_).end_object().end_object();
    return true;
  }

  void message_delta(std::string& event) {
    json::Writer w = begin(event, "message_delta");
    w.key("delta").begin_object().member("stop_reason", stop_reason(answer_));
    w.key("stop_sequence").null().end_object();
    if (answer_.with_usage)
      w.key("usage").begin_object().member("output_tokens", answer_.output_tokens()).end_object();
    w.end_object();
  }

  Answer answer_;
  Step step_ = Step::start;
  std::int64_t block_ = 0;
  std::size_t argument_ = 0;
  bool first_piece_ = true;
  std::string piece_;
};

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

std::string anthropic_message_body(Answer answer) {
  std::string out, text, piece;
  json::Writer w(out);
  while (answer.text.next(piece)) text += piece;
  write_head(answer, w);
  w.begin_array();
  if (answer.calls.empty())
    w.begin_object().member("type", "text").member("text", text).end_object();
  for (const ToolCall& call : answer.calls) {
    w.begin_object().member("type", "tool_use").member("id", "toolu_" + call.id);
    w.member("name", call.name).key("input").raw(call.arguments).end_object();
  }
  w.end_array().member("stop_reason", stop_reason(answer)).key("stop_sequence").null();
  if (answer.with_usage) {
    w.key("usage");
    write_usage(answer.input_tokens, answer.output_tokens(), w);
  }
  w.end_object();
  return out;
}

std::unique_ptr<EventSource> anthropic_message_events(Answer answer) {
  return std::make_unique<MessageEvents>(std::move(answer));
}

std::string anthropic_error_body(int status, std::string_view message, std::string_view id) {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("type", "error").key("error").begin_object();
  w.member("type", error_type(status)).member("message", message).end_object();
  w.member("request_id", id).end_object();
  return out;
}

}  // namespace tollgate::domain::demo
