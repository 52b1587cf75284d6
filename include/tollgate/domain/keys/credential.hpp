#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tollgate/base/result.hpp"

namespace tollgate::domain::keys {

/// Where agents put a virtual key: each SDK has its own place.
enum class CredentialField : std::uint8_t {
  authorization,   ///< `Authorization: Bearer <key>` (OpenAI, MCP, A2A), scheme in any case
  x_api_key,       ///< `x-api-key` (Anthropic)
  api_key,         ///< `api-key` (Azure OpenAI)
  x_goog_api_key,  ///< `x-goog-api-key` (Gemini)
  query_key,       ///< `?key=` (Gemini REST)
};

/// The headers above, lower case: all of them are taken off every request before it goes upstream.
inline constexpr std::array<std::string_view, 4> kCredentialHeaders = {"authorization", "x-api-key",
                                                                       "api-key", "x-goog-api-key"};
inline constexpr std::string_view kCredentialQueryParameter = "key";

/// Collects the one credential of a request from wherever it was put.
///
/// The same key in several places is one credential; two different ones are refused, since the
/// gateway and whoever logs the request could read different callers out of it. Empty values count
/// as absent. An Authorization that is not `Bearer` is refused even next to a good key.
/// Views only: the header values must outlive the object. Allocates only for errors.
class CredentialCollector {
 public:
  /// A field as received, repeated fields one call each.
  void add(CredentialField field, std::string_view value) noexcept;
  /// Every `key` parameter of a raw query string (without `?`). Not percent-decoded: a key has no
  /// character that needs it.
  void add_query(std::string_view query) noexcept;
  /// The key text as presented, not yet checked.
  /// Errors: invalid_api_key when there is none, two different, or an unknown scheme.
  [[nodiscard]] base::Result<std::string_view> finish() const;

 private:
  enum class State : std::uint8_t { none, one, conflict, bad_scheme };
  State state_ = State::none;
  std::string_view value_;
};

}  // namespace tollgate::domain::keys
