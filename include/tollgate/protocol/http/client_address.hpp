#pragma once

#include <vector>

#include "tollgate/protocol/http/header_section.hpp"
#include "tollgate/protocol/http/ip_address.hpp"

namespace tollgate::protocol::http {

/// Who the client is, when the connection may come from a proxy of ours.
///
/// Walks X-Forwarded-For from the right: each trusted hop vouches for the entry before it; the
/// first address that is not trusted is the client. An entry that is not an address ends the walk
/// at the last good one. The field of a peer that is not trusted is ignored. At most 32 hops.
[[nodiscard]] IpAddress client_address(const IpAddress& peer, const HeaderSection& headers,
                                       const std::vector<Cidr>& trusted) noexcept;

/// Whether the client spoke https to the first proxy, as X-Forwarded-Proto says; false unless the
/// peer that says so is trusted.
[[nodiscard]] bool client_spoke_tls(const IpAddress& peer, const HeaderSection& headers,
                                    const std::vector<Cidr>& trusted) noexcept;

}  // namespace tollgate::protocol::http
