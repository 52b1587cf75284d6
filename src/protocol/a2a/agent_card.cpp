#include "tollgate/protocol/a2a/agent_card.hpp"

#include <algorithm>
#include <iterator>

#include "protocol/mcp/remove_children.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::protocol::a2a {
namespace {

using json::NodeRef;

constexpr std::string_view kInterfaceLists[] = {"additionalInterfaces", "additional_interfaces",
                                                "supportedInterfaces", "supported_interfaces"};
/// Members of a card (0.3) that a task, message or update has not.
constexpr std::string_view kCardMembers[] = {
    "skills",          "capabilities",      "preferredTransport", "preferred_transport",
    "protocolVersion", "defaultInputModes", "protocol_version",   "default_input_modes"};

bool is_json_rpc(NodeRef interface) noexcept {
  // 0.3 says `transport`, 1.0 `protocolBinding`; both are required. An interface with neither is
  // taken out: what it speaks is a guess.
  bool named = false;
  for (const std::string_view key : {"transport", "protocolBinding", "protocol_binding"}) {
    const NodeRef binding = interface.find(key);
    if (!binding) continue;
    if (!binding.text_is("JSONRPC")) return false;
    named = true;
  }
  return named;
}

/// Keeps the JSON-RPC interfaces of a list, all with the gateway's URL.
/// @return how many stay
std::size_t rewrite_interfaces(NodeRef list, std::string_view url_json, json::Splicer& splicer) {
  if (!list.is_array()) return 0;
  std::size_t kept = 0;
  detail::remove_children(
      list,
      [&](NodeRef interface) {
        const NodeRef url = interface.find("url");
        if (!url.is_string() || !is_json_rpc(interface)) return true;
        splicer.replace(url, url_json);
        ++kept;
        return false;
      },
      splicer);
  return kept;
}

}  // namespace

base::Result<void> rewrite_agent_card(NodeRef card, std::string_view gateway_url,
                                      json::Splicer& splicer) {
  const auto refuse = [](const char* detail) {
    return base::Error(base::ErrorCode::upstream_invalid, "the agent's card cannot be used", detail)
        .with_side(base::Side::upstream);
  };
  if (!card.is_object()) return refuse("the card is not an object");
  const std::string url_json = json::quote(gateway_url);

  std::size_t interfaces = 0;
  for (const std::string_view key : kInterfaceLists)
    interfaces += rewrite_interfaces(card.find(key), url_json, splicer);

  if (const NodeRef url = card.find("url")) {
    NodeRef preferred = card.find("preferredTransport");
    if (!preferred) preferred = card.find("preferred_transport");
    const bool json_rpc = !preferred || preferred.text_is("JSONRPC");
    // The main URL may speak gRPC while a further interface speaks JSON-RPC: name that one.
    if (!json_rpc && interfaces == 0) return refuse("the card offers no JSON-RPC interface");
    if (!json_rpc) splicer.replace(preferred, "\"JSONRPC\"");
    splicer.replace(url, url_json);
    ++interfaces;
  }
  if (interfaces == 0) return refuse("the card offers no JSON-RPC interface");

  detail::remove_children(
      card, [](NodeRef member) { return member.key_is("signatures"); }, splicer);
  return {};
}

bool is_agent_card(NodeRef value) noexcept {
  bool has_url = false, has_card_member = false;
  for (const NodeRef member : value.is_object() ? value.children() : NodeRef::Children{}) {
    const auto is_named = [member](std::string_view key) { return member.key_is(key); };
    if (std::any_of(std::begin(kInterfaceLists), std::end(kInterfaceLists), is_named)) return true;
    has_url = has_url || member.key_is("url");
    has_card_member =
        has_card_member || std::any_of(std::begin(kCardMembers), std::end(kCardMembers), is_named);
  }
  return has_url && has_card_member;
}

}  // namespace tollgate::protocol::a2a
