#pragma once

#include <boost/asio/io_context.hpp>
#include <vector>

#include "tollgate/net/channel.hpp"

namespace tollgate::net {

/// The writes of one turn of a worker's loop, made together at its end.
///
/// A turn handles what one look at epoll found: under load that is dozens of connections. Writing
/// to each as it is handled wakes its peer each time, on another CPU if one idles (an interrupt,
/// the dearest part of a send), and has the kernel's code and ours push each other out of the cache
/// by turns. Written together, a peer that was woken by the first finds the rest without being
/// woken. A turn with a single event pays one more pass through the queue. Lifetime: of its worker;
/// channels leave before it. Threads: the worker's.
class WriteBatch {
 public:
  explicit WriteBatch(asio::io_context& io) : io_(io) {}
  WriteBatch(const WriteBatch&) = delete;
  WriteBatch& operator=(const WriteBatch&) = delete;

  /// Has the channel write what it holds once all that is ready now has been handled.
  void add(ChannelPtr channel);

 private:
  void flush();

  asio::io_context& io_;
  std::vector<ChannelPtr> waiting_;
  std::vector<ChannelPtr> flushing_;
};

}  // namespace tollgate::net
