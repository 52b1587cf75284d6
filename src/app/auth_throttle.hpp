#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "tollgate/base/strings.hpp"
#include "tollgate/pipeline/services.hpp"

namespace tollgate::app {

/// Counts bad credentials per client address in a sliding minute, so that guessing keys is slow.
///
/// Bounded: at most kMaxAddresses are remembered; when full, the stalest go. Threads: any; a mutex
/// that only failing callers (and callers from an address that failed lately) contend for.
class AuthThrottle final : public pipeline::AuthThrottle {
 public:
  [[nodiscard]] bool blocked(std::string_view address, base::MonoTime now) noexcept override;
  void on_failure(std::string_view address, std::uint32_t per_minute,
                  base::MonoTime now) noexcept override;

 private:
  static constexpr std::size_t kMaxAddresses = 10'000;
  struct Entry {
    base::MonoTime minute{};
    std::uint32_t count = 0;
    std::uint32_t limit = 0;
  };
  std::mutex mutex_;
  std::atomic<bool> any_{false};  ///< spares the lock while nobody fails
  std::unordered_map<std::string, Entry, base::StringHash, std::equal_to<>> entries_;
};

}  // namespace tollgate::app
