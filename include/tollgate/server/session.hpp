#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tollgate/base/task.hpp"
#include "tollgate/net/channel.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/exchange.hpp"
#include "tollgate/protocol/http/chunked.hpp"
#include "tollgate/protocol/http/gzip_inflater.hpp"
#include "tollgate/protocol/http/ip_address.hpp"
#include "tollgate/protocol/http/request_head.hpp"

namespace tollgate::server {

class WorkerHost;
struct ListenerState;

/// One agent's connection: reads requests, runs each through the chain, writes what comes back.
///
/// Owns the call's RequestContext and is the Downstream its stages write to. Watches the agent's
/// socket while a call runs, so that a vanished agent cancels it (one read is always outstanding).
/// Lifetime: deletes itself when `run` ends. Threads: its worker's.
class Session final : public pipeline::Downstream,
                      private net::ChannelWatcher,
                      public boost::intrusive::list_base_hook<
                          boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  Session(WorkerHost& host, std::shared_ptr<const ListenerState> listener, net::ChannelPtr channel,
          protocol::http::IpAddress peer, bool address_counted);
  ~Session() override;

  /// The connection's whole life. Spawned once; the session is destroyed at its end.
  base::Task<void> run();

  /// Draining: finish the call that runs, then close; an idle connection closes at once.
  void close_when_idle();
  /// The drain deadline has passed, or a second signal: ends the call that runs with an error in
  /// its dialect (an error event in a stream), then closes; an answer that is whole goes out first.
  /// What has no call is closed at once. How long that may take is the caller's to bound.
  void force_end();
  /// Closes now, whatever runs.
  void force_close();
  /// The address this connection counts for in limits.connections_per_ip, if it does.
  [[nodiscard]] const std::optional<protocol::http::IpAddress>& counted_address() const noexcept {
    return counted_address_;
  }

  // ---- Downstream ----
  [[nodiscard]] bool committed() const noexcept override { return committed_; }
  bool start_stream(int status, std::string_view header_lines) override;
  void abort() noexcept override;

 private:
  enum class ReadHead : std::uint8_t { partly, whole, closed, refused };
  /// Writes `out_` to the agent.
  class Sending final : public base::Operation<bool> {
   public:
    explicit Sending(Session& session) : session_(session) {}
    std::coroutine_handle<> start(std::coroutine_handle<> caller) override;
    bool finish() override;

   private:
    Session& session_;
  };

  base::Operation<bool>& responding(int status, std::string_view header_lines,
                                    std::span<const std::string_view> body) override;
  base::Operation<bool>& writing(std::span<const std::string_view> pieces) override;
  base::Operation<bool>& finishing() override;

  void on_peer_closed(net::Channel& channel) override;

  base::Task<bool> accept_proxy_header();
  base::Task<bool> accept_tls();
  void begin_head();
  /// Reads what is buffered of a head.
  ReadHead take_head();
  ReadHead head_failed(const net::error_code& error);
  [[nodiscard]] std::size_t head_buffer() const;
  /// One call from its head to its completion, which comes even when a stage throws.
  base::Task<void> serve();
  void begin_call();
  void end_call();
  /// An exception came out of the call: 500 if nothing was answered yet, else the answer is cut.
  base::Task<void> answer_bug(std::exception_ptr bug);
  /// The whole body when it came with the head, plain and small: the usual case, without a wait.
  bool take_buffered_body();
  /// Reads the body into the context; false when the connection is of no further use (the refusal,
  /// if one is due, is in `refusal_`).
  base::Task<bool> read_body();
  base::Task<bool> read_identity(std::size_t length);
  base::Task<bool> read_deflated(std::size_t length);
  base::Task<bool> read_chunked(std::uint64_t limit, bool gzip);
  bool take_payload(std::string_view payload, bool gzip);
  /// Whether a read of the body ended it; sets `refusal_` when it came too late.
  bool body_read_failed(const net::IoResult& got);
  /// Reserves and counts memory for a body of `size` bytes; false (with `refusal_`) at the limit.
  bool make_room(std::size_t size);
  /// Counts what was made of the body beside its bytes (its index lives as long as they do), and
  /// gives back what of that is only room; false (with `refusal_`) at the limit.
  bool count_index();
  /// Counts `bytes` more, as long as the body lives.
  bool count_body(std::size_t bytes);
  void release_body() noexcept;
  /// Answers with an error made here, in the caller's dialect, through the chain when a call
  /// exists.
  base::Task<void> answer_error(base::Error error);
  base::Task<void> linger();
  /// An agent that did not take what was written, in time or at all.
  [[gnu::cold]] void write_failed(const net::IoResult& sent);
  [[nodiscard]] bool in_call() const noexcept { return context_ != nullptr; }
  void append_common_headers(std::string& out, bool close);
  [[nodiscard]] bool answer_has_no_body(int status) const noexcept;

  WorkerHost& host_;
  std::shared_ptr<const ListenerState> listener_;
  net::ChannelPtr channel_;
  protocol::http::IpAddress peer_;
  protocol::http::IpAddress client_;
  std::optional<protocol::http::IpAddress> counted_address_;
  protocol::http::RequestParser parser_;
  protocol::http::ChunkedDecoder chunked_;
  std::unique_ptr<protocol::http::GzipInflater> inflater_;
  std::vector<std::string_view> payload_;
  std::unique_ptr<pipeline::RequestContext> context_;  ///< of the call that runs
  base::MonoTime last_call_{};                         ///< when it ended
  std::optional<base::Error> refusal_;
  std::string out_head_;
  std::string chunk_head_;
  std::vector<std::string_view> out_;
  Sending sending_{*this};
  std::size_t head_size_ = 0;
  std::size_t counted_body_ = 0;  ///< of BodyMemory
  std::uint32_t served_ = 0;
  bool keep_alive_ = true;
  bool committed_ = false;
  bool last_piece_ = false;  ///< the answer's last bytes have been handed to the connection
  bool chunked_out_ = false;
  bool no_body_ = false;  ///< the stream's framing allows no body (HEAD, 204, 304)
  bool idle_ = true;
  bool closing_ = false;
  bool body_unread_ = false;
  bool head_begun_ = false;  ///< the time of a head runs, not that of an idle connection
};

}  // namespace tollgate::server
