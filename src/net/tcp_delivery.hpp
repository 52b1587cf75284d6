#pragma once

#include <cstdint>

namespace tollgate::net {

/// Whether the peer's kernel has acknowledged no byte of a TCP connection behind the first `mark`
/// (> 0) it was sent. False when the kernel does not tell. Any thread; one system call.
[[nodiscard]] bool nothing_acknowledged_since(int socket, std::uint64_t mark) noexcept;

}  // namespace tollgate::net
