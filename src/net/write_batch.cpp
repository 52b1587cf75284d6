#include "tollgate/net/write_batch.hpp"

#include <boost/asio/post.hpp>

namespace tollgate::net {

void WriteBatch::add(ChannelPtr channel) {
  // Behind everything that is ready already: the scheduler takes turns.
  if (waiting_.empty()) asio::post(io_, [this] { flush(); });
  waiting_.push_back(std::move(channel));
}

void WriteBatch::flush() {
  flushing_.swap(waiting_);
  for (ChannelPtr& channel : flushing_)
    if (!channel->begin_write()) channel = nullptr;  // waits for the socket by itself
  // Only now: what is resumed does other work, and may write again.
  for (const ChannelPtr& channel : flushing_)
    if (channel) channel->end_write();
  flushing_.clear();
}

}  // namespace tollgate::net
