#include "tollgate/protocol/mcp/message.hpp"

#include <algorithm>
#include <array>

#include "protocol/mcp/remove_children.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::mcp {
namespace {

using base::Error;
using base::ErrorCode;
using json::NodeRef;

/// Where a method names what it acts on.
enum class Subject : std::uint8_t { none, name, uri };

struct MethodRow {
  std::string_view name;
  Method method;
  Subject subject;
  bool repeatable;  ///< reads only, or does the same when done twice
};
constexpr MethodRow kMethods[] = {
    {"tools/call", Method::tools_call, Subject::name, false},
    {"tools/list", Method::tools_list, Subject::none, true},
    // A second session is made, and the one that nobody knows of times out.
    {"initialize", Method::initialize, Subject::none, true},
    {"ping", Method::ping, Subject::none, true},
    {"server/discover", Method::server_discover, Subject::none, true},
    {"resources/list", Method::resources_list, Subject::none, true},
    {"resources/templates/list", Method::resources_templates_list, Subject::none, true},
    {"resources/read", Method::resources_read, Subject::uri, true},
    {"resources/subscribe", Method::resources_subscribe, Subject::uri, true},
    {"resources/unsubscribe", Method::resources_unsubscribe, Subject::uri, true},
    {"prompts/list", Method::prompts_list, Subject::none, true},
    {"prompts/get", Method::prompts_get, Subject::name, true},
    {"completion/complete", Method::completion_complete, Subject::none, true},
    {"logging/setLevel", Method::logging_set_level, Subject::none, true},
    {"subscriptions/listen", Method::subscriptions_listen, Subject::none, true},
    {"tasks/get", Method::tasks_get, Subject::none, true},
    {"tasks/result", Method::tasks_result, Subject::none, true},
    {"tasks/list", Method::tasks_list, Subject::none, true},
    {"tasks/cancel", Method::tasks_cancel, Subject::none, false},
};

const MethodRow* find_row(std::string_view name) noexcept {
  const auto row = std::find_if(std::begin(kMethods), std::end(kMethods),
                                [name](const MethodRow& r) { return r.name == name; });
  return row == std::end(kMethods) ? nullptr : row;
}

/// A known name in another letter case: a server that is lenient would do what nobody judged here.
bool is_misspelled(std::string_view name) noexcept {
  return std::any_of(std::begin(kMethods), std::end(kMethods),
                     [name](const MethodRow& row) { return base::iequals(row.name, name); });
}

constexpr std::string_view kVersionKey = "io.modelcontextprotocol/protocolVersion";

/// A header value as its sender meant it: `=?base64?...?=` wraps text that a field cannot hold.
/// Absent when the wrapping is damaged.
std::optional<std::string> decode_header_value(std::string_view value) {
  constexpr std::string_view prefix = "=?base64?";
  constexpr std::string_view suffix = "?=";
  if (!value.starts_with(prefix) || !value.ends_with(suffix) ||
      value.size() < prefix.size() + suffix.size())
    return std::string(value);
  const std::string_view text =
      value.substr(prefix.size(), value.size() - prefix.size() - suffix.size());
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t bits = 0;
    std::size_t padding = 0;
    for (const char c : text.substr(i, 4)) {
      std::uint32_t six = 0;
      if (c == '=') {
        ++padding;
      } else if (padding != 0) {
        return std::nullopt;
      } else if (c >= 'A' && c <= 'Z') {
        six = static_cast<std::uint32_t>(c - 'A');
      } else if (c >= 'a' && c <= 'z') {
        six = static_cast<std::uint32_t>(c - 'a') + 26;
      } else if (c >= '0' && c <= '9') {
        six = static_cast<std::uint32_t>(c - '0') + 52;
      } else if (c == '+' || c == '/') {
        six = c == '+' ? 62 : 63;
      } else {
        return std::nullopt;
      }
      bits = bits << 6 | six;
    }
    if (padding > 2 || (padding != 0 && i + 4 != text.size())) return std::nullopt;
    for (std::size_t byte = 0; byte < 3 - padding; ++byte)
      out += static_cast<char>(bits >> (16 - 8 * byte) & 0xff);
  }
  return out;
}

Fault mismatch(std::string_view header) {
  return {400, kHeaderMismatch, std::string(header) + " is missing or differs from the body"};
}

}  // namespace

base::Result<Call> classify(const jsonrpc::Message& message) {
  Call call;
  call.method_name = message.method;
  const NodeRef version = message.params.find("_meta").find(kVersionKey);
  if (version) {
    if (!version.is_string())
      return Error(ErrorCode::invalid_request, "the protocol version must be a string")
          .with_param(std::string(kVersionKey));
    call.protocol_version = version.text();
    call.modern = is_modern_version(call.protocol_version);
  }
  if (message.kind == jsonrpc::MessageKind::response) {
    call.method = Method::response;
    return call;
  }
  const MethodRow* row = find_row(message.method);
  if (row == nullptr && is_misspelled(message.method))
    return Error(ErrorCode::invalid_request, "method names are case-sensitive")
        .with_param("method");
  if (message.kind == jsonrpc::MessageKind::notification) {
    // A request without an id would be done and never answered: no server may take it for one.
    if (row != nullptr)
      return Error(ErrorCode::invalid_request, "this method needs an id").with_param("id");
    call.method = Method::notification;
    return call;
  }
  if (row == nullptr) return call;
  call.method = row->method;
  if (row->subject != Subject::none) {
    const std::string_view member = row->subject == Subject::name ? "name" : "uri";
    const NodeRef subject = message.params.find(member);
    if (!subject.is_string() || subject.raw().size() <= 2)
      return Error(ErrorCode::invalid_request, "this method needs a string here")
          .with_param("params." + std::string(member));
    call.subject = subject.text();
  }
  return call;
}

bool is_billable(const Call& call) noexcept {
  return call.method == Method::tools_call;
}

bool is_safe_to_repeat(const Call& call, std::span<const std::string> idempotent_tools) noexcept {
  if (call.method == Method::tools_call)
    return std::any_of(idempotent_tools.begin(), idempotent_tools.end(),
                       [&](const auto& glob) { return base::glob_match(glob, call.subject); });
  const MethodRow* row = find_row(call.method_name);
  return row != nullptr && row->method == call.method && row->repeatable;
}

bool is_modern_version(std::string_view version) noexcept {
  if (version.size() != 10) return false;
  for (std::size_t i = 0; i < version.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? version[i] != '-' : version[i] < '0' || version[i] > '9') return false;
  }
  return version >= "2026-07-28";
}

std::optional<Fault> check_headers(const Call& call, const http::HeaderSection& headers) {
  const std::string_view version = headers.value(http::HeaderId::mcp_protocol_version);
  if (!call.modern) {
    // A body without a version under a modern header: one of the two was not made by the client.
    const bool asks_for_more = is_modern_version(version) && call.method != Method::initialize &&
                               call.method != Method::response;
    if (asks_for_more) return mismatch("MCP-Protocol-Version");
    return std::nullopt;
  }
  if (version != call.protocol_version) return mismatch("MCP-Protocol-Version");
  const auto says = [&](http::HeaderId id, std::string_view expected) {
    const http::HeaderField* field = headers.find(id);
    if (field == nullptr) return false;
    const auto value = decode_header_value(field->value);
    return value && *value == expected;
  };
  if (!says(http::HeaderId::mcp_method, call.method_name)) return mismatch("Mcp-Method");
  const bool named = call.method == Method::tools_call || call.method == Method::resources_read ||
                     call.method == Method::prompts_get;
  if (named && !says(http::HeaderId::mcp_name, call.subject)) return mismatch("Mcp-Name");
  return std::nullopt;
}

int http_status_of(int number, bool modern) noexcept {
  if (number == -32700 || number == -32600) return 400;
  if (!modern) return 200;
  if (number == kMethodNotFound) return 404;
  return number <= kHeaderMismatch && number >= kUnsupportedVersion ? 400 : 200;
}

bool is_session_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 4096 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

std::size_t filter_tools(NodeRef result, const std::function<bool(std::string_view name)>& allowed,
                         json::Splicer& splicer) {
  const NodeRef tools = result.find("tools");
  if (!tools.is_array()) return 0;
  return detail::remove_children(
      tools,
      [&](NodeRef tool) {
        const NodeRef name = tool.find("name");
        return !name.is_string() || !allowed(name.text());
      },
      splicer);
}

}  // namespace tollgate::protocol::mcp
