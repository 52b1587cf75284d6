#pragma once

#include <string_view>

#include "tollgate/base/result.hpp"
#include "tollgate/json/splice.hpp"

namespace tollgate::protocol::a2a {

/// Makes an agent card point at the gateway, so that no client goes past it.
///
/// 0.3: `url`, `preferredTransport`, `additionalInterfaces`; 1.0: `supportedInterfaces`; a card may
/// have both shapes. Every interface that is not JSON-RPC is taken out, since the gateway does not
/// speak it; the others get `gateway_url`. `signatures` are taken out: they do not hold for changed
/// bytes. All other bytes stay.
///
/// Works on a fetched card and on the result of agent/getAuthenticatedExtendedCard alike.
/// @param card  the card's object
/// Errors: upstream_invalid when it is no object, or offers no JSON-RPC interface.
[[nodiscard]] base::Result<void> rewrite_agent_card(json::NodeRef card,
                                                    std::string_view gateway_url,
                                                    json::Splicer& splicer);

/// Whether a client could take this value for an agent card, asked for or not.
[[nodiscard]] bool is_agent_card(json::NodeRef value) noexcept;

}  // namespace tollgate::protocol::a2a
