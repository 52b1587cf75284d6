// The order of a turn, timers, and work posted from elsewhere.
#include "tollgate/net/loop.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tollgate/base/task.hpp"
#include "tollgate/net/channel.hpp"
#include "unit/net/loop.hpp"

namespace tollgate::net {
namespace {

using namespace std::chrono_literals;
using test::run_until;

base::MonoTime now() {
  return std::chrono::steady_clock::now();
}

TEST(Loop, PostedWorkRunsInItsOrderOnTheTurningThread) {
  Loop loop;
  std::vector<int> seen;
  const auto here = std::this_thread::get_id();
  std::thread other([&] {
    for (int i = 0; i < 3; ++i)
      loop.post([&, i] {
        EXPECT_EQ(std::this_thread::get_id(), here);
        seen.push_back(i);
      });
  });
  EXPECT_TRUE(run_until(loop, [&] { return seen.size() == 3; }));
  other.join();
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(loop.is_idle());
}

TEST(Loop, APostWakesALoopThatWaits) {
  Loop loop;
  bool ran = false;
  std::thread other([&] { loop.post([&] { ran = true; }); });
  // Without a wake-up this would hang: there is no other event and no timer.
  while (!ran) loop.turn(base::MonoTime::max());
  other.join();
}

TEST(Loop, WorkThatPostsMoreDoesNotKeepTheTurn) {
  Loop loop;
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    loop.post(again);
  };
  loop.post(again);
  loop.turn(now());
  EXPECT_EQ(runs, 1);
  loop.turn(base::MonoTime::max());
  EXPECT_EQ(runs, 2) << "and the next turn does not wait for events";
}

TEST(Loop, TimersFireInOrderNeverEarly) {
  Loop loop;
  const base::MonoTime start = now();
  std::vector<char> order;
  Loop::Timer late(loop), early(loop), never(loop);
  late.start(start + 6ms, [&] { order.push_back('b'); });
  early.start(start + 3ms, [&] {
    EXPECT_GE(now(), start + 3ms);
    order.push_back('a');
  });
  never.start(base::MonoTime::max(), [&] { order.push_back('x'); });
  EXPECT_TRUE(run_until(loop, [&] { return order.size() == 2; }));
  EXPECT_GE(now(), start + 6ms);
  EXPECT_EQ(order, (std::vector<char>{'a', 'b'}));
  EXPECT_FALSE(loop.is_idle()) << "one is still set";
  never.stop();
  EXPECT_TRUE(loop.is_idle());
}

TEST(Loop, AHurriedTimerFiresInTheNextTurnAndNotWithinTheCall) {
  Loop loop;
  int fired = 0;
  Loop::Timer timer(loop);
  timer.hurry();  // not set: nothing
  timer.start(base::MonoTime::max(), [&] { ++fired; });
  timer.hurry();
  EXPECT_EQ(fired, 0);
  loop.turn(base::MonoTime::max());
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(loop.is_idle());
}

TEST(Loop, ATimerMayBeDestroyedByAnotherThatIsDueWithItAndByItself) {
  Loop loop;
  int fired = 0;
  std::optional<Loop::Timer> first(std::in_place, loop), second(std::in_place, loop);
  const base::MonoTime due = now();
  first->start(due, [&] {
    ++fired;
    second.reset();
    first.reset();
  });
  second->start(due, [&] { ADD_FAILURE() << "it is gone"; });
  loop.turn(due);
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(loop.is_idle());
}

TEST(Loop, ARestartedTimerForgetsItsFormerTime) {
  Loop loop;
  Loop::Timer timer(loop);
  bool second = false;
  timer.start(now(), [] { ADD_FAILURE() << "replaced"; });
  timer.start(now() + 1ms, [&] { second = true; });
  EXPECT_TRUE(run_until(loop, [&] { return second; }));
}

/// A loop with channels over socket pairs, each read by a coroutine that tells when it is resumed.
class Turn : public ::testing::Test {
 protected:
  struct Party {
    ChannelPtr channel;
    int peer = -1;
    std::string name;
  };
  Party& add(const char* name, Cohort cohort) {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    parties.push_back(std::make_unique<Party>());
    Party& party = *parties.back();
    party.channel = ChannelPtr(new Channel(loop, cohort, Socket(fds[0])));
    party.peer = fds[1];
    party.name = name;
    return party;
  }
  ~Turn() override {
    for (const auto& party : parties) {
      party->channel->close();
      ::close(party->peer);
    }
    test::settle(loop);
  }
  static void send(const Party& party, std::string_view bytes) {
    EXPECT_EQ(::send(party.peer, bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string received(const Party& party) {
    std::string got(4096, '\0');
    const ssize_t size = ::recv(party.peer, got.data(), got.size(), MSG_DONTWAIT);
    got.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return got;
  }
  /// Reads once, answers, notes both.
  base::Task<void> echo(Party& party) {
    const IoResult got = co_await party.channel->fill(1024);
    events.push_back(party.name + (got.error ? " failed" : " read"));
    if (got.error) co_return;
    for (const auto& other : parties) sent_before += received(*other);
    co_await party.channel->write(party.channel->buffered());
    events.push_back(party.name + " wrote");
  }

  Loop loop;
  std::vector<std::unique_ptr<Party>> parties;
  std::vector<std::string> events;
  std::string sent_before;  ///< what peers had by the time readers ran
};

TEST_F(Turn, ReadsFirstThenReadersByKindThenWrites) {
  Party& agent = add("agent 1", Cohort::agents);
  Party& upstream = add("upstream 1", Cohort::upstreams);
  Party& second = add("agent 2", Cohort::agents);
  for (const auto& party : parties) base::spawn("echo", echo(*party));
  loop.turn(now());
  EXPECT_TRUE(events.empty());
  send(agent, "one");
  send(upstream, "two");
  send(second, "three");
  loop.turn(now() + 1s);
  const std::vector<std::string> expected = {"agent 1 read",  "agent 2 read",  "upstream 1 read",
                                             "agent 1 wrote", "agent 2 wrote", "upstream 1 wrote"};
  EXPECT_EQ(events, expected) << "one turn did it all";
  EXPECT_EQ(sent_before, "") << "nothing is sent before the last reader has run";
  EXPECT_EQ(received(upstream), "two");
}

TEST_F(Turn, AReaderMayCloseAChannelWhoseReadCameInTheSameTurn) {
  Party& closer = add("closer", Cohort::agents);
  Party& closed = add("closed", Cohort::upstreams);
  struct Close {
    static base::Task<void> run(Channel& reads, Channel& closes) {
      co_await reads.fill(1024);
      closes.close();
    }
  };
  base::spawn("close", Close::run(*closer.channel, *closed.channel));
  base::spawn("echo", echo(closed));
  send(closer, "x");
  send(closed, "y");
  EXPECT_TRUE(run_until(loop, [&] { return !events.empty(); }));
  EXPECT_EQ(events, std::vector<std::string>{"closed failed"});
}

TEST_F(Turn, AChannelDroppedByAReaderOfItsTurnHarmsNobody) {
  Party& reader = add("reader", Cohort::agents);
  Party& dropped = add("dropped", Cohort::upstreams);
  class Quiet final : public ChannelWatcher {
    void on_peer_closed(Channel&) override {}
  } watcher;
  dropped.channel->watch(&watcher);
  struct Drop {
    static base::Task<void> run(Channel& reads, ChannelPtr& drops, Loop& loop) {
      co_await reads.fill(1024);
      drops->unwatch();
      drops = ChannelPtr(new Channel(loop, Cohort::upstreams));
    }
  };
  base::spawn("drop", Drop::run(*reader.channel, dropped.channel, loop));
  send(reader, "x");
  send(dropped, "y");
  test::settle(loop);
  char byte = 0;
  EXPECT_EQ(::recv(dropped.peer, &byte, 1, 0), 0) << "its socket went with it";
}

TEST(Loop, ADescriptorThatEpollRefusesIsAnErrorAndNoException) {
  Loop loop;
  const int file = ::memfd_create("file", 0);
  ChannelPtr channel(new Channel(loop, Cohort::agents, Socket(file)));
  EXPECT_TRUE(channel->closed()) << "nobody would ever hear of it";
  EXPECT_TRUE(channel->failed());
  char byte = 0;
  EXPECT_EQ(::read(file, &byte, 1), -1) << "and its descriptor is closed";
}

TEST(Loop, AConnectThatCannotBeWatchedFailsLikeOne) {
  Loop loop;
  const test::NoWatches exhausted(loop);
  ChannelPtr channel(new Channel(loop, Cohort::upstreams));
  std::optional<error_code> result;
  struct Connect {
    static base::Task<void> run(Channel& channel, tcp::endpoint peer,
                                std::optional<error_code>& into) {
      into = co_await channel.connect(peer);
    }
  };
  asio::io_context io;
  const tcp::acceptor listening(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  base::spawn("connect", Connect::run(*channel, listening.local_endpoint(), result));
  EXPECT_TRUE(run_until(loop, [&] { return result.has_value(); }));
  EXPECT_TRUE(*result);
}

TEST(Socket, AfterAShortReadTheKernelIsNotAskedAgainBeforeAnEdge) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  Socket socket(fds[0]);
  char room[8];
  error_code error;
  ASSERT_EQ(::send(fds[1], "abc", 3, 0), 3);
  EXPECT_EQ(socket.receive(room, sizeof room, error), 0u);
  EXPECT_EQ(error, asio::error::would_block) << "no edge has been told of";
  socket.note_readable(false);
  EXPECT_EQ(socket.receive(room, sizeof room, error), 3u);
  ASSERT_EQ(::send(fds[1], "de", 2, 0), 2);
  EXPECT_EQ(socket.receive(room, sizeof room, error), 0u);
  EXPECT_EQ(error, asio::error::would_block);
  socket.note_readable(false);
  EXPECT_EQ(socket.receive(room, 2, error), 2u);
  EXPECT_TRUE(socket.readable()) << "a full read may have left something";
  EXPECT_EQ(socket.receive(room, 2, error), 0u);
  EXPECT_FALSE(socket.readable());
  ::close(fds[1]);
}

TEST(Socket, AnEndThatCameWithTheLastBytesIsReadWithoutAnotherEdge) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  Socket socket(fds[0]);
  ASSERT_EQ(::send(fds[1], "abc", 3, 0), 3);
  ::close(fds[1]);
  socket.note_readable(true);
  char room[8];
  error_code error;
  EXPECT_EQ(socket.receive(room, sizeof room, error), 3u);
  ASSERT_TRUE(socket.readable());
  EXPECT_EQ(socket.receive(room, sizeof room, error), 0u);
  EXPECT_EQ(error, asio::error::eof);
}

}  // namespace
}  // namespace tollgate::net
