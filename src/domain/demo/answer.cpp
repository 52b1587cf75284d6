#include "domain/demo/answer.hpp"

#include <algorithm>

namespace tollgate::domain::demo {
namespace {

// In two pieces, so that secret scanners do not take this source for a leak.
constexpr std::string_view kFakeAwsKey =
    "AKIA"
    "Q3EGT7DEMO4KEY9Z";
constexpr std::string_view kUnfinished = "This answer will not be finished. ";

}  // namespace

std::int64_t Answer::output_tokens() const noexcept {
  if (billed_output >= 0) return billed_output;
  std::int64_t tokens = demo_tokens(text.bytes_out());
  for (const ToolCall& call : calls)
    tokens += demo_tokens(call.name.size() + call.arguments.size());
  if (output_cap > 0) tokens = std::min(tokens, output_cap);
  return tokens * choices;
}

Answer make_answer(const ModelName& model, const Ask& ask, const Request& request, std::string id) {
  Answer answer;
  answer.id = std::move(id);
  answer.model = ask.model.empty() ? std::string(request.model) : ask.model;
  answer.choices = ask.choices;
  answer.input_tokens = demo_tokens(request.body.size());
  answer.output_cap = ask.output_cap;
  answer.with_usage = model.behaviour != Behaviour::no_usage;

  std::string text = ask.last_text.empty() ? "(nothing to echo)" : ask.last_text;
  switch (model.behaviour) {
    case Behaviour::words:
      answer.text = TextSource::words(model.number);
      break;
    case Behaviour::secret:
      answer.text = TextSource("Use the key " + std::string(kFakeAwsKey) +
                               " and write to ada.lovelace@example.com about it.");
      break;
    case Behaviour::refuse:
      answer.refusal = true;
      answer.text = TextSource("I cannot help with that.");
      break;
    case Behaviour::drop_mid_stream:
    case Behaviour::stall_mid_stream:
      answer.text = TextSource(std::string(kUnfinished) + text);
      break;
    case Behaviour::cost:
      answer.billed_output = model.number;
      answer.text = TextSource(std::move(text));
      break;
    case Behaviour::tool_calls:
      if (!ask.after_tool && !ask.tools.empty()) {
        for (std::int64_t i = 0; i < model.number; ++i) {
          const OfferedTool& tool = ask.tools[static_cast<std::size_t>(i) % ask.tools.size()];
          answer.calls.push_back(
              {answer.id.substr(0, 20) + std::to_string(i), tool.name, tool.arguments});
        }
        break;
      }
      answer.text = TextSource(ask.after_tool ? std::move(text) : "No tool was offered.");
      break;
    case Behaviour::echo:
    case Behaviour::slow:
    case Behaviour::drip:
    case Behaviour::fail:
    case Behaviour::drop:
    case Behaviour::silent:
    case Behaviour::no_usage:
    case Behaviour::bad_json:
      answer.text = TextSource(std::move(text));
      break;
  }
  if (ask.output_cap > 0) answer.text.limit(static_cast<std::size_t>(ask.output_cap) * 4);
  return answer;
}

}  // namespace tollgate::domain::demo
