#include "tollgate/protocol/http/gzip_inflater.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace tollgate::protocol::http {

using base::Error;
using base::ErrorCode;

struct GzipInflater::Stream {
  z_stream z{};
  Stream() {
    // 15 window bits; 16 = gzip only, no zlib or raw format to guess between.
    ready = inflateInit2(&z, 15 + 16) == Z_OK;
  }
  ~Stream() {
    if (ready) inflateEnd(&z);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  bool ready = false;
};

GzipInflater::GzipInflater() = default;
GzipInflater::~GzipInflater() = default;

void GzipInflater::reset(Limits limits) {
  limits_ = limits;
  in_ = out_ = 0;
  ended_ = false;
  if (stream_ == nullptr) {
    stream_ = std::make_unique<Stream>();
  } else if (stream_->ready) {
    inflateReset(&stream_->z);
  }
}

base::Result<void> GzipInflater::feed(std::string_view input, std::string& out) {
  if (stream_ == nullptr) reset({});
  if (!stream_->ready) return Error(ErrorCode::overloaded, "no memory to inflate the body");
  z_stream& z = stream_->z;
  while (!input.empty()) {
    if (ended_) return Error(ErrorCode::invalid_request, "bytes behind the gzip body");
    const auto take =
        static_cast<uInt>(std::min<std::size_t>(input.size(), std::numeric_limits<uInt>::max()));
    // zlib takes a pointer to non-const and does not write through it.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    z.avail_in = take;
    // On to the last output: zlib may hold some back after it has taken all input.
    bool full = true;
    while (!ended_ && (z.avail_in != 0 || full)) {
      const std::size_t before = out.size();
      constexpr std::size_t kStep = 16 * 1024;
      out.resize(before + kStep);
      z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      z.avail_out = kStep;
      const uInt in_before = z.avail_in;
      const int code = inflate(&z, Z_NO_FLUSH);
      const std::size_t made = kStep - z.avail_out;
      out.resize(before + made);
      full = z.avail_out == 0;
      in_ += in_before - z.avail_in;
      out_ += made;
      if (out_ > limits_.max_bytes)
        return Error(ErrorCode::request_too_large, "the inflated body is over limits.body_bytes")
            .with_limit(base::Limit::body_bytes);
      if (out_ > limits_.ratio_floor && out_ / limits_.max_ratio > in_)
        return Error(ErrorCode::request_too_large,
                     "the body inflates by more than limits.gzip_ratio allows")
            .with_limit(base::Limit::gzip_ratio);
      if (code == Z_STREAM_END) {
        ended_ = true;
      } else if (code == Z_BUF_ERROR) {
        break;  // nothing left to do with this input
      } else if (code != Z_OK) {
        return Error(ErrorCode::invalid_request, "the body is not valid gzip");
      }
    }
    input.remove_prefix(take - z.avail_in);
  }
  return {};
}

base::Result<void> GzipInflater::finish() const {
  if (!ended_) return Error(ErrorCode::invalid_request, "the gzip body is not complete");
  return {};
}

}  // namespace tollgate::protocol::http
