#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tollgate/base/result.hpp"

namespace tollgate::protocol::http {

/// Inflates a gzip request body within bounds, so that a small body cannot fill the memory.
///
/// One gzip member, nothing behind it. Reused: zlib's 40 KiB are allocated at first use and kept.
/// Errors: invalid_request (not gzip, damaged, trailing bytes), request_too_large (a bound).
class GzipInflater {
 public:
  struct Limits {
    std::uint64_t max_bytes = 16ull << 20;  ///< inflated
    std::uint32_t max_ratio = 20;           ///< inflated:deflated ...
    std::uint64_t ratio_floor = 1 << 20;    ///< ... once more than this came out
  };

  GzipInflater();
  ~GzipInflater();
  GzipInflater(const GzipInflater&) = delete;
  GzipInflater& operator=(const GzipInflater&) = delete;

  void reset(Limits limits);
  /// Appends what `input` inflates to.
  [[nodiscard]] base::Result<void> feed(std::string_view input, std::string& out);
  /// Call at the end of the body: an error when the member is not complete.
  [[nodiscard]] base::Result<void> finish() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  Limits limits_;
  std::uint64_t in_ = 0;
  std::uint64_t out_ = 0;
  bool ended_ = false;
};

}  // namespace tollgate::protocol::http
