// Accepting when the kernel has not what a connection needs.
#include "tollgate/net/acceptor.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <vector>

#include "unit/net/loop.hpp"

namespace tollgate::net {
namespace {

using test::run_until;
using test::settle;

class AcceptorTest : public ::testing::Test {
 protected:
  AcceptorTest() {
    config::Listener listener;
    listener.port = 0;
    acceptor.emplace(listener, config::AcceptBalance::exact, std::vector<Worker*>{&worker},
                     [this](Worker&, Socket socket, const tcp::endpoint&) {
                       if (refuse) return false;
                       accepted.push_back(std::move(socket));
                       return true;
                     });
    acceptor->open();
  }
  tcp::socket connect() {
    tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), acceptor->port()});
    return socket;
  }

  asio::io_context io;
  base::SystemClock clock;
  Worker worker{0, clock};
  bool refuse = false;
  std::vector<Socket> accepted;
  std::optional<Acceptor> acceptor;
};

TEST_F(AcceptorTest, AListenerThatCannotBeWatchedIsTriedAgainAndCounted) {
  {
    const test::NoWatches exhausted(worker.loop());
    acceptor->start();
    EXPECT_TRUE(run_until(worker.loop(), [&] { return acceptor->errors() == 1; }));
  }
  const tcp::socket client = connect();
  EXPECT_TRUE(run_until(worker.loop(), [&] { return accepted.size() == 1; }));
  EXPECT_EQ(acceptor->errors(), 1u);
}

TEST_F(AcceptorTest, AConnectionThatCouldNotBeTakenIsCounted) {
  refuse = true;
  acceptor->start();
  const tcp::socket client = connect();
  EXPECT_TRUE(run_until(worker.loop(), [&] { return acceptor->errors() == 1; }));
  refuse = false;
  const tcp::socket next = connect();
  EXPECT_TRUE(run_until(worker.loop(), [&] { return accepted.size() == 1; }));
  EXPECT_EQ(acceptor->errors(), 1u);
}

}  // namespace
}  // namespace tollgate::net
