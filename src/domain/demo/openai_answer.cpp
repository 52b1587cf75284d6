#include <fmt/format.h>

#include <array>
#include <cstring>

#include "domain/demo/answer.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::domain::demo {
namespace {

/// A moment that never changes: the same request has the same answer.
constexpr std::int64_t kCreated = 1'700'000'000;

void write_usage(const Answer& answer, json::Writer& w) {
  const std::int64_t output = answer.output_tokens();
  w.begin_object();
  w.member("prompt_tokens", answer.input_tokens);
  w.member("completion_tokens", output);
  w.member("total_tokens", answer.input_tokens + output);
  w.key("prompt_tokens_details").begin_object().key("cached_tokens").integer(0).end_object();
  w.key("completion_tokens_details").begin_object().key("reasoning_tokens").integer(0).end_object();
  w.end_object();
}

std::string_view finish_reason(const Answer& answer) {
  if (!answer.calls.empty()) return "tool_calls";
  return answer.text.was_cut() ? "length" : "stop";
}

std::string call_id(const ToolCall& call) {
  return "call_" + call.id;
}

class ChatEvents final : public EventSource {
 public:
  ChatEvents(Answer answer, bool include_usage)
      : answer_(std::move(answer)), include_usage_(include_usage) {}

  bool next(std::string& event) override {
    event = "data: ";
    switch (step_) {
      case Step::role:
        chunk(event, [this](json::Writer& w) {
          w.member("role", "assistant").key("content");
          answer_.calls.empty() && !answer_.refusal ? w.string("") : w.null();
        });
        step_ = answer_.calls.empty() ? Step::text : Step::call;
        break;
      case Step::text:
        if (!answer_.text.next(piece_)) return finish(event);
        chunk(event, [this](json::Writer& w) {
          w.member(answer_.refusal ? "refusal" : "content", piece_);
        });
        break;
      case Step::call:
        if (call_ == answer_.calls.size()) return finish(event);
        call_piece(event);
        break;
      case Step::usage:
        usage(event);
        step_ = Step::done;
        break;
      case Step::done:
        event += "[DONE]";
        step_ = Step::end;
        break;
      case Step::end:
        return false;
    }
    event += "\n\n";
    return true;
  }
  [[nodiscard]] unsigned preamble() const noexcept override { return 1; }

 private:
  enum class Step : std::uint8_t { role, text, call, usage, done, end };

  json::Writer begin(std::string& event) {
    json::Writer w(event);
    w.begin_object()
        .member("id", "chatcmpl-" + answer_.id)
        .member("object", "chat.completion.chunk");
    w.member("created", kCreated).member("model", answer_.model);
    w.member("system_fingerprint", "fp_demo").key("choices").begin_array();
    return w;
  }

  template <class Delta>
  void chunk(std::string& event, Delta delta, std::string_view reason = {}) {
    json::Writer w = begin(event);
    w.begin_object().member("index", choice_).key("delta").begin_object();
    delta(w);
    w.end_object().key("logprobs").null().key("finish_reason");
    reason.empty() ? w.null() : w.string(reason);
    w.end_object().end_array();
    if (include_usage_) w.key("usage").null();
    w.end_object();
  }

  /// Ends one choice; the next one, usage or the end follows.
  bool finish(std::string& event) {
    chunk(
        event, [](json::Writer&) {}, finish_reason(answer_));
    event += "\n\n";
    call_ = 0;
    if (++choice_ < answer_.choices) {
      answer_.text.restart();
      step_ = Step::role;
    } else {
      step_ = include_usage_ && answer_.with_usage ? Step::usage : Step::done;
    }
    return true;
  }

  void call_piece(std::string& event) {
    const ToolCall& call = answer_.calls[call_];
    chunk(event, [&](json::Writer& w) {
      w.key("tool_calls").begin_array().begin_object();
      w.member("index", static_cast<std::int64_t>(call_));
      if (!call_begun_) {
        w.member("id", call_id(call)).member("type", "function");
        w.key("function").begin_object().member("name", call.name).member("arguments", "");
      } else {
        w.key("function").begin_object();
        w.member("arguments", call.arguments.substr(argument_, kArgumentPiece));
      }
      w.end_object().end_object().end_array();
    });
    argument_ = call_begun_ ? argument_ + kArgumentPiece : 0;
    call_begun_ = true;
    if (argument_ >= call.arguments.size()) {
      ++call_;
      call_begun_ = false;
      argument_ = 0;
    }
  }

  void usage(std::string& event) {
    json::Writer w = begin(event);
    w.end_array().key("usage");
    write_usage(answer_, w);
    w.end_object();
  }

  Answer answer_;
  bool include_usage_;
  Step step_ = Step::role;
  std::int64_t choice_ = 0;
  std::size_t call_ = 0;
  std::size_t argument_ = 0;
  bool call_begun_ = false;
  std::string piece_;
};

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) {
      return k < bytes.size() ? std::uint32_t{static_cast<unsigned char>(bytes[k])} : 0u;
    };
    const std::uint32_t three = (at(i) << 16) | (at(i + 1) << 8) | at(i + 2);
    out.push_back(kDigits[three >> 18]);
    out.push_back(kDigits[(three >> 12) & 63]);
    out.push_back(i + 1 < bytes.size() ? kDigits[(three >> 6) & 63] : '=');
    out.push_back(i + 2 < bytes.size() ? kDigits[three & 63] : '=');
  }
  return out;
}

/// Multiples of 1/128 in [-1, 1): exact as float and short as text.
std::vector<float> vector_of(std::string_view input, std::int64_t dimensions) {
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(dimensions));
  for (std::int64_t block = 0; out.size() < static_cast<std::size_t>(dimensions); ++block) {
    const auto digest = base::sha256(std::to_string(block) + ":" + std::string(input));
    for (const std::uint8_t byte : digest) {
      if (out.size() == static_cast<std::size_t>(dimensions)) break;
      out.push_back(static_cast<float>(static_cast<int>(byte) - 128) / 128.0f);
    }
  }
  return out;
}

}  // namespace

std::string openai_chat_body(Answer answer) {
  std::string out, text, piece;
  json::Writer w(out);
  while (answer.text.next(piece)) text += piece;
  w.begin_object().member("id", "chatcmpl-" + answer.id).member("object", "chat.completion");
  w.member("created", kCreated).member("model", answer.model);
  w.key("choices").begin_array();
  for (std::int64_t choice = 0; choice < answer.choices; ++choice) {
    w.begin_object().member("index", choice).key("message").begin_object();
    w.member("role", "assistant").key("content");
    answer.refusal || !answer.calls.empty() ? w.null() : w.string(text);
    w.key("refusal");
    answer.refusal ? w.string(text) : w.null();
    if (!answer.calls.empty()) {
      w.key("tool_calls").begin_array();
      for (const ToolCall& call : answer.calls) {
        w.begin_object().member("id", call_id(call)).member("type", "function");
        w.key("function").begin_object().member("name", call.name);
        w.member("arguments", call.arguments).end_object().end_object();
      }
      w.end_array();
    }
    w.end_object().key("logprobs").null().member("finish_reason", finish_reason(answer));
    w.end_object();
  }
  w.end_array();
  if (answer.with_usage) {
    w.key("usage");
    write_usage(answer, w);
  }
  w.member("system_fingerprint", "fp_demo").end_object();
  return out;
}

std::unique_ptr<EventSource> openai_chat_events(Answer answer, bool include_usage) {
  return std::make_unique<ChatEvents>(std::move(answer), include_usage);
}

std::string openai_embeddings_body(const Ask& ask, const Answer& answer) {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("object", "list").key("data").begin_array();
  std::int64_t index = 0;
  for (const std::string& input : ask.inputs) {
    const std::vector<float> vector = vector_of(input, ask.dimensions);
    w.begin_object().member("object", "embedding").member("index", index++).key("embedding");
    if (ask.base64) {
      std::string bytes(vector.size() * sizeof(float), '\0');
      std::memcpy(bytes.data(), vector.data(), bytes.size());  // little-endian, as OpenAI sends it
      w.string(base64(bytes));
    } else {
      w.begin_array();
      for (const float value : vector) w.raw(fmt::format("{}", value));
      w.end_array();
    }
    w.end_object();
  }
  w.end_array().member("model", answer.model);
  if (answer.with_usage) {
    w.key("usage").begin_object().member("prompt_tokens", answer.input_tokens);
    w.member("total_tokens", answer.input_tokens).end_object();
  }
  w.end_object();
  return out;
}

std::string openai_models_body() {
  static constexpr std::array<std::string_view, 14> kModels = {
      "echo",   "slow-50ms", "drip-20ms",    "long-100", "fail-503", "drop",     "drop-mid-stream",
      "silent", "tool-call", "tool-calls-2", "secret",   "refuse",   "no-usage", "cost-1000"};
  std::string out;
  json::Writer w(out);
  w.begin_object().member("object", "list").key("data").begin_array();
  for (const std::string_view id : kModels) {
    w.begin_object().member("id", id).member("object", "model");
    w.member("created", kCreated).member("owned_by", "tollgate").end_object();
  }
  w.end_array().end_object();
  return out;
}

std::string openai_error_body(int status, std::string_view message, std::string_view param) {
  std::string_view type = status >= 500 ? "server_error" : "invalid_request_error";
  std::string_view code;
  if (status == 401) code = "invalid_api_key";
  if (status == 404) code = "model_not_found";
  if (status == 429) {
    type = "rate_limit_error";
    code = "rate_limit_exceeded";
  }
  std::string out;
  json::Writer w(out);
  w.begin_object().key("error").begin_object().member("message", message).member("type", type);
  w.key("param");
  param.empty() ? w.null() : w.string(param);
  w.key("code");
  code.empty() ? w.null() : w.string(code);
  w.end_object().end_object();
  return out;
}

}  // namespace tollgate::domain::demo
