// Session as the Downstream of its call: what the stages write goes out here.
#include "tollgate/domain/routing/attempt_loop.hpp"
#include "tollgate/protocol/http/head_writer.hpp"
#include "tollgate/server/session.hpp"
#include "tollgate/server/worker_host.hpp"

namespace tollgate::server {

using net::IoResult;

void Session::append_common_headers(std::string& out, bool close) {
  if (close) {
    out += "Connection: close\r\n";
  } else if (parser_.head().version_minor == 0) {
    out += "Connection: keep-alive\r\n";
  }
}

bool Session::answer_has_no_body(int status) const noexcept {
  if (status < 200 || status == 204 || status == 304) return true;
  return in_call() && parser_.head().method == protocol::http::Method::head;
}

void Session::write_failed(const IoResult& sent) {
  using EarlyEnd = pipeline::RequestContext::EarlyEnd;
  keep_alive_ = false;
  const bool late = sent.error == net::asio::error::timed_out;
  auto& metrics = host_.services().metrics;
  if (!late || !in_call() || !context_->deadline.passed(host_.now())) {
    if (late) metrics.limit_hits(telemetry::LimitHit::client_write).inc();
    if (context_) context_->end_early(EarlyEnd::client_gone);
    return;
  }
  context_->end_early(EarlyEnd::out_of_time);
  if (context_->refusal && context_->refusal->limit() == base::Limit::total_time)
    return;  // counted when the agent was to be told
  metrics.limit_hits(telemetry::LimitHit::total_time).inc();
  context_->refuse(domain::routing::out_of_time());
}

std::coroutine_handle<> Session::Sending::start(std::coroutine_handle<> caller) {
  if (session_.out_.empty()) return caller;
  net::Channel::WriteAwaiter write = session_.channel_->write(session_.out_);
  if (write.await_ready()) return caller;
  write.await_suspend(caller);
  return std::noop_coroutine();
}

bool Session::Sending::finish() {
  if (session_.out_.empty()) return true;
  const IoResult sent = session_.channel_->write_result();
  if (!sent.error) return true;
  session_.write_failed(sent);
  return false;
}

base::Operation<bool>& Session::responding(int status, std::string_view header_lines,
                                           std::span<const std::string_view> body) {
  std::size_t length = 0;
  for (const std::string_view piece : body) length += piece.size();
  out_head_.clear();
  protocol::http::append_status_line(out_head_, status);
  // Without a body here, a HEAD's answer may stand for one of any length.
  const bool has_length = length != 0 || !answer_has_no_body(status);
  if (status != 204 && status >= 200 && status != 304 && has_length)
    protocol::http::append_field(out_head_, "Content-Length", length);
  if (closing_ || host_.announcing_drain()) keep_alive_ = false;
  append_common_headers(out_head_, !keep_alive_);
  out_head_ += header_lines;
  out_head_ += "\r\n";
  out_.clear();
  out_.push_back(out_head_);
  if (!answer_has_no_body(status)) out_.insert(out_.end(), body.begin(), body.end());
  committed_ = last_piece_ = true;
  if (context_) context_->note_first_byte(host_.now());
  return sending_;
}

bool Session::start_stream(int status, std::string_view header_lines) {
  // RFC 9112 6.3: a client reads no body here, so one byte of framing would be read as the start of
  // the next answer.
  no_body_ = answer_has_no_body(status);
  chunked_out_ = !no_body_ && parser_.head().version_minor >= 1;
  if ((!chunked_out_ && !no_body_) || closing_ || host_.announcing_drain()) keep_alive_ = false;
  // Written together with the first piece, in one system call.
  out_head_.clear();
  protocol::http::append_status_line(out_head_, status);
  if (chunked_out_) out_head_ += "Transfer-Encoding: chunked\r\n";
  append_common_headers(out_head_, !keep_alive_);
  out_head_ += header_lines;
  out_head_ += "\r\n";
  return !channel_->failed();
}

base::Operation<bool>& Session::writing(std::span<const std::string_view> pieces) {
  std::size_t length = 0;
  if (!no_body_)
    for (const std::string_view piece : pieces) length += piece.size();
  out_.clear();
  if (!committed_) {
    out_.push_back(out_head_);
    committed_ = true;
    context_->note_first_byte(host_.now());
  }
  if (length != 0) {
    if (chunked_out_) {
      chunk_head_.clear();
      protocol::http::append_chunk_head(chunk_head_, length);
      out_.push_back(chunk_head_);
    }
    out_.insert(out_.end(), pieces.begin(), pieces.end());
    if (chunked_out_) out_.push_back(protocol::http::kChunkEnd);
  }
  return sending_;
}

base::Operation<bool>& Session::finishing() {
  out_.clear();
  if (!committed_) {
    out_.push_back(out_head_);
    committed_ = true;
  }
  if (chunked_out_) out_.push_back(protocol::http::kLastChunk);
  last_piece_ = true;
  return sending_;
}

void Session::abort() noexcept {
  // A FIN without the last chunk: every client sees a broken message. HTTP/1.0 has no last chunk,
  // so there only a reset tells.
  keep_alive_ = false;
  if (chunked_out_) {
    channel_->shutdown_send();
  } else {
    channel_->reset();
  }
}

}  // namespace tollgate::server
