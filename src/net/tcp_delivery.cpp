// Apart from the rest of net: <linux/tcp.h> has the fields, but clashes with the <netinet/tcp.h>
// that Asio includes (this file is kept out of the precompiled header as well).
#include "net/tcp_delivery.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace tollgate::net {

bool nothing_acknowledged_since(int socket, std::uint64_t mark) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  if (size < offsetof(tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) return false;
  // Linux counts the SYN as a byte. Less than `mark` would contradict the answers that were read:
  // a kernel that does not keep the count.
  return mark != 0 && info.tcpi_bytes_acked >= mark && info.tcpi_bytes_acked <= mark + 1;
}

}  // namespace tollgate::net
