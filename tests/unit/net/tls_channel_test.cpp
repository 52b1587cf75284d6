// A channel over TLS: what its peer may take its end for.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <optional>
#include <string>

#include "net/tls_session.hpp"
#include "support/temp_dir.hpp"
#include "support/test_ca.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/net/channel.hpp"
#include "tollgate/net/upstream_pool.hpp"
#include "unit/net/loop.hpp"

namespace tollgate::net {
namespace {

using test::run_until;
using test::settle;

class TlsChannel : public ::testing::Test {
 protected:
  TlsChannel() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    channel = ChannelPtr(new Channel(loop, Cohort::agents, Socket(fds[0])));
    theirs = Socket(fds[1]);
    const testing::CertificateFiles leaf = ca.issue("leaf");
    config::TlsServer profile;
    profile.certificate_file = leaf.certificate;
    profile.private_key_file = leaf.private_key;
    context = make_server_context(profile);
    client.emplace(client_context.get(), theirs, false);
    client->set_peer_name("localhost", true);
    base::spawn("handshake", handshake());
    error_code error = asio::error::would_block;
    EXPECT_TRUE(run_until(loop, [&] {
      theirs.note_readable(false);
      if (error == asio::error::would_block) client->handshake(error);
      return error != asio::error::would_block && shaken.has_value();
    }));
    EXPECT_FALSE(error) << error.message();
    EXPECT_FALSE(*shaken) << shaken->message();
  }
  ~TlsChannel() override {
    channel->close();
    settle(loop);
  }
  base::Task<void> handshake() {
    shaken = co_await channel->handshake(*context, true, nullptr, false);
  }
  base::Task<void> write(std::string_view bytes) { written = co_await channel->write(bytes); }
  /// What the peer reads; how it ends is in `end`.
  std::string received() {
    theirs.note_readable(true);
    std::string all;
    std::string room(64 * 1024, '\0');
    for (;;) {
      const std::size_t got = client->read(room.data(), room.size(), end);
      if (end) return all;
      all.append(room, 0, got);
    }
  }

  Loop loop;
  testing::TempDir dir;
  testing::TestCa ca{dir.path()};
  testing::SslCtxPtr client_context = testing::client_context(ca.ca_file());
  std::shared_ptr<asio::ssl::context> context;
  ChannelPtr channel;
  Socket theirs;
  std::optional<TlsSession> client;
  std::optional<error_code> shaken;
  std::optional<IoResult> written;
  error_code end;
};

TEST_F(TlsChannel, WhatWasWrittenToItsEndIsEndedWithCloseNotify) {
  base::spawn("write", write("all of it"));
  settle(loop);
  ASSERT_TRUE(written);
  channel->shutdown_send();
  EXPECT_EQ(received(), "all of it");
  EXPECT_EQ(end, asio::error::eof);
}

TEST_F(TlsChannel, WhatWasNotBegunYetIsNotEndedWithCloseNotify) {
  base::spawn("write", write("never sent"));
  channel->shutdown_send();
  settle(loop);
  ASSERT_TRUE(written);
  EXPECT_TRUE(written->error);
  EXPECT_EQ(received(), "");
  EXPECT_EQ(end, asio::ssl::error::stream_truncated) << "it must not take nothing for everything";
}

TEST_F(TlsChannel, NorIsWhatIsHalfWritten) {
  const std::string large(8 << 20, 'x');
  base::spawn("write", write(large));
  settle(loop);
  ASSERT_FALSE(written) << "more than the socket holds";
  channel->shutdown_send();
  EXPECT_LT(received().size(), large.size());
  EXPECT_EQ(end, asio::ssl::error::stream_truncated);
  EXPECT_TRUE(run_until(loop, [&] { return written.has_value(); }));
  EXPECT_EQ(written->error, asio::error::broken_pipe);
}

}  // namespace
}  // namespace tollgate::net
