// JSON-RPC with what MCP and A2A read from it: no input makes them read outside the text, texts can
// be replaced together, and every edit leaves valid JSON.
#include "fuzz/fuzz.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/protocol/a2a/agent_card.hpp"
#include "tollgate/protocol/a2a/message.hpp"
#include "tollgate/protocol/a2a/updates.hpp"
#include "tollgate/protocol/jsonrpc/message.hpp"
#include "tollgate/protocol/mcp/message.hpp"

namespace {

using namespace tollgate;
using namespace tollgate::protocol;

void check_texts(const json::Document& document, const jsonrpc::Texts& texts,
                 std::string_view input) {
  json::Splicer splicer(document);
  std::string scratch;
  for (const auto* list : {&texts.editable, &texts.fixed}) {
    for (const json::TextRef& text : *list) {
      (void)text.text(scratch);
      const std::size_t before = splicer.size();
      fuzz::require(splicer.replace(text.begin_offset(), text.end_offset(), "\"x\""),
                    "texts overlap", input);
      // The very same place twice replaces the edit: then the size stays.
      const std::size_t length = text.end_offset() - text.begin_offset();
      fuzz::require(splicer.size() == before + 3 - length, "a text is listed twice", input);
    }
  }
}

void check_valid(const json::Splicer& splicer, std::string_view what, std::string_view input) {
  static json::Document again;
  json::ParseLimits limits;
  limits.max_depth = 128;
  fuzz::require(again.parse(splicer.str(), limits).has_value(), what, input);
}

void check_cards_and_lists(const json::Document& document, json::NodeRef object,
                           std::string_view input) {
  json::Splicer card(document);
  if (a2a::rewrite_agent_card(object, "https://gate/a2a/\"x\"", card).has_value())
    check_valid(card, "the rewritten card is not JSON", input);
  for (const std::size_t modulus : {1u, 2u, 3u}) {
    json::Splicer tools(document);
    mcp::filter_tools(
        object, [&](std::string_view name) { return name.size() % modulus != 0; }, tools);
    check_valid(tools, "the filtered list is not JSON", input);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::ExactCopy whole({reinterpret_cast<const char*>(data), size});
  const std::string_view input = whole.view();
  static json::Document document, again;
  if (document.parse(input).has_error()) return 0;
  const auto message = jsonrpc::read_message(document);
  const std::string id(message.has_value() ? message->id_raw : jsonrpc::id_or_null(document));
  const std::string answer =
      jsonrpc::error_body(base::Error(base::ErrorCode::permission_denied, "no"), id, "req_1");
  fuzz::require(again.parse(answer).has_value(), "the error body is not JSON", input);
  check_cards_and_lists(document, document.root(), input);
  if (message.has_error()) return 0;

  check_cards_and_lists(document, message->result, input);
  jsonrpc::Texts texts;
  if (const auto call = mcp::classify(*message); call.has_value()) {
    (void)mcp::is_safe_to_repeat(*call, {});
    (void)mcp::check_headers(*call, http::HeaderSection{});
    mcp::append_request_texts(*message, texts);
    check_texts(document, texts, input);
  }
  texts.clear();
  mcp::append_response_texts(*message, texts);
  check_texts(document, texts, input);

  (void)a2a::classify(*message);
  (void)a2a::read_result(message->result);
  (void)mcp::read_continuing(*message);
  (void)a2a::is_agent_card(message->result);
  if (const auto update = a2a::read_artifact_update(message->result)) {
    a2a::ArtifactAddress address;
    address.assign(message->id_raw, update);
    std::string more;
    a2a::append_artifact_text(more, address, "x");
    fuzz::require(again.parse(more).has_value(), "the added update is not JSON", input);
  }
  texts.clear();
  a2a::append_request_texts(*message, texts);
  check_texts(document, texts, input);
  texts.clear();
  a2a::append_response_texts(*message, texts);
  check_texts(document, texts, input);
  return 0;
}
