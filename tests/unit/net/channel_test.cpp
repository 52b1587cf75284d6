// Reads of one connection: never two at a time, never out of order, always one that watches.
#include "tollgate/net/channel.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "tollgate/base/task.hpp"
#include "unit/net/loop.hpp"

namespace tollgate::net {
namespace {

using test::run_until;
using test::settle;

class Watcher final : public ChannelWatcher {
 public:
  void on_peer_closed(Channel&) override { closed = true; }
  void on_unsolicited_input(Channel&) override { ++inputs; }
  bool closed = false;
  int inputs = 0;
};

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() {
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    peer.connect(acceptor.local_endpoint());
    channel = accepted(acceptor);
    peer.set_option(tcp::no_delay(true));
  }
  ~ChannelTest() override {
    channel->unwatch();
    channel->close();
    settle(loop);
  }
  ChannelPtr accepted(tcp::acceptor& acceptor) {
    tcp::socket ours = acceptor.accept();
    ours.native_non_blocking(true);
    return ChannelPtr(new Channel(loop, Cohort::agents, Socket(ours.release())));
  }
  void send(std::string_view bytes) { asio::write(peer, asio::buffer(bytes.data(), bytes.size())); }

  base::Task<void> fill_once() {
    filled = co_await channel->fill(256 * 1024);
    done = true;
  }
  base::Task<void> read(std::size_t size) {
    text.assign(size, '\0');
    std::size_t at = 0;
    while (at < size) {
      const IoResult got = co_await channel->read_into(text.data() + at, size - at);
      error = got.error;
      if (got.error) break;
      at += got.bytes;
    }
    text.resize(at);
    done = true;
  }
  bool finished() {
    return run_until(loop, [this] { return done; });
  }
  void fill() {
    done = false;
    base::spawn("fill", fill_once());
    ASSERT_TRUE(finished());
    ASSERT_FALSE(filled.error);
  }

  asio::io_context io;  // of the peer, which blocks
  Loop loop;
  tcp::socket peer{io};
  ChannelPtr channel;
  IoResult filled;
  std::string text;
  error_code error;
  bool done = false;
};

TEST_F(ChannelTest, AReadIntoMemoryWaitsForTheReadThatWatches) {
  Watcher watcher;
  channel->watch(&watcher);
  settle(loop);  // the watch's read is outstanding
  channel->unwatch();
  base::spawn("read", read(10));
  send("hello");
  settle(loop);
  send("world");
  ASSERT_TRUE(finished());
  EXPECT_EQ(text, "helloworld") << "in order, all of it, none in the buffer";
  EXPECT_TRUE(channel->buffered().empty());
}

TEST_F(ChannelTest, WhatTheWatchReadAheadIsTakenFirst) {
  Watcher watcher;
  channel->watch(&watcher);
  send("HEADbo");
  ASSERT_TRUE(run_until(loop, [&] { return watcher.inputs == 1; }));
  settle(loop);
  channel->unwatch();
  channel->pin(4);
  const std::string_view head(channel->buffered().data() - 4, 4);
  base::spawn("read", read(4));
  settle(loop);
  EXPECT_FALSE(done);
  send("dyNEXT");
  ASSERT_TRUE(finished());
  EXPECT_EQ(text, "body");
  EXPECT_EQ(channel->buffered(), "NEXT") << "a pipelined request is not lost";
  EXPECT_EQ(head, "HEAD");
}

TEST_F(ChannelTest, AnEndMeetsTheReaderThatWaitedForTheWatch) {
  Watcher watcher;
  channel->watch(&watcher);
  settle(loop);
  channel->unwatch();
  base::spawn("read", read(10));
  send("abc");
  settle(loop);
  peer.close();
  ASSERT_TRUE(finished());
  EXPECT_EQ(text, "abc");
  EXPECT_EQ(error, asio::error::eof);
}

TEST_F(ChannelTest, APeerThatLeavesIsNoticedWhateverLiesInTheBuffer) {
  // Heads alone, head and body, more than one buffer: the first read may fill it to the brim.
  for (const std::size_t size : {100u, 16'383u, 16'384u, 16'385u, 40'000u}) {
    SCOPED_TRACE(size);
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    tcp::socket agent(io);
    agent.connect(acceptor.local_endpoint());
    channel = accepted(acceptor);
    const std::string bytes = std::string(64, 'h') + std::string(size - 64, 'b');
    asio::write(agent, asio::buffer(bytes));
    fill();
    channel->pin(64);
    const std::string_view head(channel->buffered().data() - 64, 64);
    done = false;
    base::spawn("read", read(size - 64));
    ASSERT_TRUE(finished());
    EXPECT_EQ(text, bytes.substr(64));
    Watcher watcher;
    channel->watch(&watcher);
    settle(loop);
    EXPECT_FALSE(watcher.closed);
    agent.close();
    EXPECT_TRUE(run_until(loop, [&] { return watcher.closed; }));
    EXPECT_EQ(head, std::string(64, 'h'));
    channel->unwatch();
  }
}

TEST_F(ChannelTest, PinnedBytesStayWhileFurtherRequestsFillTheBuffer) {
  send("HEAD" + std::string(10'000, '1'));
  fill();
  channel->pin(4);
  const std::string_view head(channel->buffered().data() - 4, 4);
  Watcher watcher;
  channel->watch(&watcher);
  std::string sent = std::string(10'000, '1');
  for (int i = 0; i < 4; ++i) {
    const std::string more(10'000, static_cast<char>('a' + i));
    send(more);
    sent += more;
    ASSERT_TRUE(run_until(loop, [&] { return channel->buffered().size() == sent.size(); }));
    EXPECT_EQ(head, "HEAD");
  }
  EXPECT_EQ(channel->buffered(), sent);
  peer.close();
  EXPECT_TRUE(run_until(loop, [&] { return watcher.closed; }));
  channel->unpin();
  EXPECT_EQ(channel->buffered(), sent) << "the block that goes is the pinned one";
}

TEST_F(ChannelTest, ADeadlineThatReportsLeavesTheConnectionInOrder) {
  channel->set_read_deadline(base::Deadline(base::MonoTime(std::chrono::seconds(1))),
                             Channel::OnDeadline::report);
  base::spawn("read", read(8));
  settle(loop);
  channel->check_deadlines(base::MonoTime(std::chrono::seconds(2)));
  ASSERT_TRUE(finished());
  EXPECT_EQ(error, asio::error::timed_out);
  EXPECT_FALSE(channel->closed());
  EXPECT_FALSE(channel->failed());
  channel->set_read_deadline(base::Deadline::never());
  send("too late");
  done = false;
  base::spawn("read", read(8));
  ASSERT_TRUE(finished());
  EXPECT_EQ(text, "too late");
}

TEST_F(ChannelTest, APeerThatSendsInEveryTurnIsLateAllTheSame) {
  channel->set_read_deadline(base::Deadline(base::MonoTime(std::chrono::seconds(1))),
                             Channel::OnDeadline::report);
  base::spawn("read", read(8));
  settle(loop);
  send("abc");
  // Posted: after this turn has seen that bytes came, before they are read.
  loop.post([&] { channel->check_deadlines(base::MonoTime(std::chrono::seconds(2))); });
  ASSERT_TRUE(finished());
  EXPECT_EQ(error, asio::error::timed_out);
  EXPECT_FALSE(channel->failed());
}

TEST_F(ChannelTest, AReportEndsAFillThatWaitsForTheWatchToo) {
  Watcher watcher;
  channel->watch(&watcher);
  settle(loop);
  channel->unwatch();
  channel->set_read_deadline(base::Deadline(base::MonoTime(std::chrono::seconds(1))),
                             Channel::OnDeadline::report);
  done = false;
  base::spawn("fill", fill_once());
  channel->check_deadlines(base::MonoTime(std::chrono::seconds(2)));
  ASSERT_TRUE(finished());
  EXPECT_EQ(filled.error, asio::error::timed_out);
  EXPECT_FALSE(channel->failed());
}

TEST_F(ChannelTest, NothingArrivedIsKnownFromTheKernelNotGuessed) {
  struct Write {
    static base::Task<void> of(Channel& channel, std::string_view bytes) {
      co_await channel.write(bytes);
    }
  };
  base::spawn("write", Write::of(*channel, "first exchange"));
  settle(loop);
  std::string seen(14, '\0');
  asio::read(peer, asio::buffer(seen));
  const std::uint64_t mark = channel->bytes_out();
  EXPECT_EQ(mark, 14u);
  peer.close();
  settle(loop);
  base::spawn("write", Write::of(*channel, "sent to a closed socket"));
  settle(loop);
  EXPECT_TRUE(channel->nothing_arrived_since(mark));
  EXPECT_FALSE(channel->nothing_arrived_since(mark - 2)) << "the first exchange did";
}

TEST_F(ChannelTest, WhatAPeerTookAndDidNotAnswerHasArrived) {
  struct Write {
    static base::Task<void> of(Channel& channel, std::string_view bytes) {
      co_await channel.write(bytes);
    }
  };
  base::spawn("write", Write::of(*channel, "first"));
  settle(loop);
  std::string seen(5, '\0');
  asio::read(peer, asio::buffer(seen));
  const std::uint64_t mark = channel->bytes_out();
  base::spawn("write", Write::of(*channel, "tools/call"));
  settle(loop);
  seen.resize(10);
  asio::read(peer, asio::buffer(seen));
  peer.close();
  base::spawn("read", read(1));
  ASSERT_TRUE(finished());
  ASSERT_EQ(error, asio::error::eof);
  EXPECT_FALSE(channel->nothing_arrived_since(mark));
}

TEST_F(ChannelTest, ASlowReaderDoesNotOutliveTheLimitOfItsCall) {
  struct Write {
    static base::Task<void> of(Channel& channel, const std::string& bytes, IoResult& outcome,
                               bool& ended) {
      outcome = co_await channel.write(bytes);
      ended = true;
    }
  };
  const std::string big(64 << 20, 'x');
  IoResult result;
  channel->set_write_timeout(std::chrono::hours(1));
  const auto now = std::chrono::steady_clock::now();
  channel->set_write_limit(base::Deadline(now + std::chrono::seconds(5)));
  base::spawn("write", Write::of(*channel, big, result, done));
  settle(loop);
  std::string some(64 * 1024, '\0');
  for (int i = 0; i < 5; ++i) {
    asio::read(peer, asio::buffer(some));
    settle(loop);
    channel->check_deadlines(now + std::chrono::seconds(4));
    ASSERT_FALSE(done) << "it makes progress";
  }
  channel->check_deadlines(now + std::chrono::seconds(6));
  ASSERT_TRUE(finished());
  EXPECT_EQ(result.error, asio::error::timed_out);
}

}  // namespace
}  // namespace tollgate::net
