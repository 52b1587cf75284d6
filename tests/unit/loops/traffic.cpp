#include "unit/loops/traffic.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::domain::loops::test {

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump();
}

std::string prose(std::uint64_t seed, int words) {
  static constexpr std::array<std::string_view, 48> kWords{
      "the",     "value",   "of",       "a",      "module", "returns", "when",    "input",
      "is",      "missing", "and",      "caller", "should", "retry",   "because", "table",
      "holds",   "record",  "for",      "each",   "user",   "with",    "empty",   "list",
      "session", "closed",  "before",   "answer", "was",    "read",    "so",      "test",
      "fails",   "on",      "second",   "branch", "we",     "move",    "check",   "into",
      "parser",  "drops",   "trailing", "comma",  "report", "says",    "nothing", "else"};
  std::mt19937_64 rng(seed);
  std::string text;
  for (int i = 0; i < words; ++i) {
    if (i > 0) text += i % 17 == 0 ? ".\n" : " ";
    text += kWords[rng() % kWords.size()];
  }
  return text;
}

std::string random_id(std::mt19937_64& rng, std::string_view prefix, int size) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string id(prefix);
  for (int i = 0; i < size; ++i) id += kAlphabet[rng() % kAlphabet.size()];
  return id;
}

Conversation::Conversation(Surface surface, std::string system, std::uint64_t seed)
    : surface_(surface),
      system_(std::move(system)),
      messages_(std::make_shared<std::vector<std::string>>()),
      rng_(seed) {}

void Conversation::add(std::string message) {
  messages_->push_back(std::move(message));
  end_ = messages_->size();
}

Conversation& Conversation::user(std::string_view text) {
  add(fmt::format(R"({{"role":"user","content":{}}})", json_text(text)));
  return *this;
}

Conversation& Conversation::assistant(std::string_view text) {
  add(fmt::format(R"({{"role":"assistant","content":{}}})", json_text(text)));
  return *this;
}

Conversation& Conversation::tool(std::string_view name, std::string_view arguments,
                                 std::string_view result, std::string_view words) {
  return tools({{std::string(name), std::string(arguments)}}, {std::string(result)}, words);
}

Conversation& Conversation::tools(const std::vector<std::pair<std::string, std::string>>& calls,
                                  const std::vector<std::string>& results, std::string_view words) {
  std::vector<std::string> ids;
  std::string made;
  const bool is_claude = surface_ == Surface::messages;
  for (const auto& [name, arguments] : calls) {
    ids.push_back(random_id(rng_, is_claude ? "toolu_01" : "call_"));
    if (surface_ == Surface::responses) {
      add(fmt::format(
          R"({{"type":"function_call","id":"{}","call_id":"{}","name":"{}","arguments":{},"status":"completed"}})",
          random_id(rng_, "fc_"), ids.back(), name, json_text(arguments)));
      continue;
    }
    if (!made.empty()) made += ',';
    made +=
        is_claude
            ? fmt::format(R"({{"type":"tool_use","id":"{}","name":"{}","input":{}}})", ids.back(),
                          name, arguments)
            : fmt::format(
                  R"({{"id":"{}","type":"function","function":{{"name":"{}","arguments":{}}}}})",
                  ids.back(), name, json_text(arguments));
  }
  if (is_claude) {
    const std::string text =
        words.empty() ? "" : fmt::format(R"({{"type":"text","text":{}}},)", json_text(words));
    add(fmt::format(R"({{"role":"assistant","content":[{}{}]}})", text, made));
    std::string blocks;
    for (std::size_t i = 0; i < results.size(); ++i)
      blocks += fmt::format(R"({}{{"type":"tool_result","tool_use_id":"{}","content":{}}})",
                            i > 0 ? "," : "", ids[i], json_text(results[i]));
    add(fmt::format(R"({{"role":"user","content":[{}]}})", blocks));
    return *this;
  }
  if (surface_ == Surface::chat)
    add(fmt::format(R"({{"role":"assistant","content":{},"tool_calls":[{}]}})",
                    words.empty() ? "null" : json_text(words), made));
  for (std::size_t i = 0; i < results.size(); ++i)
    add(surface_ == Surface::responses
            ? fmt::format(R"({{"type":"function_call_output","call_id":"{}","output":{}}})", ids[i],
                          json_text(results[i]))
            : fmt::format(R"({{"role":"tool","tool_call_id":"{}","content":{}}})", ids[i],
                          json_text(results[i])));
  return *this;
}

Conversation& Conversation::cut_to(std::size_t keep, bool with_task) {
  if (end_ - first_ <= keep) return *this;
  first_ = end_ - keep;
  has_task_ = with_task;
  return *this;
}

std::string Conversation::body() const {
  std::string list;
  if (surface_ == Surface::chat && !system_.empty())
    list = fmt::format(R"({{"role":"system","content":{}}})", json_text(system_));
  if (has_task_) list += (list.empty() ? "" : ",") + messages_->front();
  for (std::size_t i = first_; i < end_; ++i) list += (list.empty() ? "" : ",") + (*messages_)[i];
  switch (surface_) {
    case Surface::messages:
      return fmt::format(
          R"({{"model":"claude-sonnet-4-5","max_tokens":4096,"system":{},"messages":[{}]}})",
          json_text(system_), list);
    case Surface::responses:
      return fmt::format(R"({{"model":"gpt-5","instructions":{},"input":[{}]}})",
                         json_text(system_), list);
    case Surface::chat:
    case Surface::embeddings:
    case Surface::mcp:
    case Surface::a2a:
      break;
  }
  return fmt::format(R"({{"model":"gpt-4o","temperature":0.2,"messages":[{}]}})", list);
}

std::string mcp_call(std::uint64_t id, std::string_view tool, std::string_view arguments) {
  return fmt::format(
      R"({{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"{}","arguments":{},"_meta":{{"progressToken":{}}}}}}})",
      id, tool, arguments, id);
}

std::string a2a_message(std::mt19937_64& rng, std::string_view text, std::string_view context) {
  const std::string in = context.empty() ? "" : fmt::format(R"(,"contextId":"{}")", context);
  return fmt::format(
      R"({{"jsonrpc":"2.0","id":"{}","method":"message/send","params":{{"message":{{"role":"user","messageId":"{}"{},"parts":[{{"kind":"text","text":{}}}]}}}}}})",
      random_id(rng, "req-"), random_id(rng, "m-"), in, json_text(text));
}

void Run::call(std::function<std::string()> body, std::int64_t think, std::int64_t pause,
               bool failed) {
  Event event = like_;
  event.body = std::move(body);
  event.failed = failed;
  // A fifth more or less, as networks and models have it.
  const auto vary = [this](std::int64_t ms) {
    return ms + static_cast<std::int64_t>(rng_() % 400) * ms / 1'000 - ms / 5;
  };
  event.duration = vary(think);
  // A pause is a sleep, which is never shorter than it says.
  like_.start += event.duration + pause + static_cast<std::int64_t>(rng_() % 50);
  scenario_.events.push_back(std::move(event));
}

void Run::call(const Conversation& conversation, std::int64_t think, std::int64_t pause,
               bool failed) {
  like_.surface = conversation.surface();
  call([made = conversation] { return made.body(); }, think, pause, failed);
}

Fingerprint print_of(Surface surface, const std::string& body, std::size_t read_bytes) {
  json::Document document;
  if (document.parse(body).has_error()) throw std::runtime_error("no JSON: " + body);
  if (surface == Surface::mcp || surface == Surface::a2a) {
    const auto message = protocol::jsonrpc::read_message(document);
    if (message.has_error()) throw std::runtime_error("no JSON-RPC: " + body);
    return surface == Surface::mcp ? fingerprint_of_mcp(*message, "server", document, read_bytes)
                                   : fingerprint_of_a2a(*message, "", document, read_bytes);
  }
  using protocol::llm::RequestKind;
  const auto& dialect =
      protocol::llm::dialect(surface == Surface::messages ? protocol::llm::DialectKind::anthropic
                                                          : protocol::llm::DialectKind::openai);
  const RequestKind kind = surface == Surface::messages     ? RequestKind::messages
                           : surface == Surface::responses  ? RequestKind::other_json
                           : surface == Surface::embeddings ? RequestKind::embeddings
                                                            : RequestKind::chat_completions;
  protocol::llm::GovernedFields fields;
  if (const auto scanned = dialect.scan(kind, document, fields); scanned.has_error())
    throw std::runtime_error(scanned.error().message() + ": " + body);
  return fingerprint_of(fields, document, read_bytes);
}

}  // namespace tollgate::domain::loops::test
