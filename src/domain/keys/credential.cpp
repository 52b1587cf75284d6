#include "tollgate/domain/keys/credential.hpp"

#include "tollgate/base/digest.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::domain::keys {

void CredentialCollector::add(CredentialField field, std::string_view value) noexcept {
  value = base::trim_ows(value);
  if (value.empty() || state_ == State::bad_scheme) return;
  if (field == CredentialField::authorization) {
    constexpr std::string_view kScheme = "bearer";
    if (!base::iequals(value.substr(0, kScheme.size()), kScheme)) {
      state_ = State::bad_scheme;
      return;
    }
    value.remove_prefix(kScheme.size());
    if (value.empty()) return;  // "Bearer" and nothing: as good as absent
    if (value.front() != ' ' && value.front() != '\t') {
      state_ = State::bad_scheme;  // another scheme that begins like it
      return;
    }
    value = base::trim_ows(value);
  }
  if (state_ == State::none) {
    value_ = value;
    state_ = State::one;
  } else if (!base::constant_time_equal(value, value_)) {
    state_ = State::conflict;
  }
}

void CredentialCollector::add_query(std::string_view query) noexcept {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != kCredentialQueryParameter) {
      continue;
    }
    add(CredentialField::query_key, pair.substr(equals + 1));
  }
}

base::Result<std::string_view> CredentialCollector::finish() const {
  switch (state_) {
    case State::one:
      return value_;
    case State::none:
      return base::Error(
          base::ErrorCode::invalid_api_key,
          "No API key in the request. Send a Tollgate key as \"Authorization: Bearer "
          "tg-...\" or in x-api-key.");
    case State::conflict:
      return base::Error(base::ErrorCode::invalid_api_key,
                         "The request carries two different API keys. Send exactly one.");
    case State::bad_scheme:
      break;
  }
  return base::Error(base::ErrorCode::invalid_api_key,
                     "The Authorization header must be \"Bearer\" and a Tollgate key.");
}

}  // namespace tollgate::domain::keys
