#include "tollgate/base/error.hpp"

#include <iterator>

namespace tollgate::base {
namespace {
constexpr ErrorInfo kInfos[] = {
#define TG_ERROR(code, status, openai, anthropic, meaning) \
  {#code, status, openai, anthropic, meaning},
#include "tollgate/base/error_codes.def"
#undef TG_ERROR
};
}  // namespace

const ErrorInfo& info(ErrorCode code) noexcept {
  return kInfos[static_cast<std::size_t>(code)];
}
std::size_t error_code_count() noexcept {
  return std::size(kInfos);
}

namespace {
constexpr std::string_view kLimitNames[] = {
#define TG_LIMIT(id, name) name,
#include "tollgate/base/limits.def"
#undef TG_LIMIT
};
}  // namespace

std::string_view to_string(Limit limit) noexcept {
  return kLimitNames[static_cast<std::size_t>(limit)];
}

std::size_t limit_count() noexcept {
  return std::size(kLimitNames);
}

struct Error::Facts {
  ErrorCode code = ErrorCode::internal_error;
  Side side = Side::client;
  Retry retry = Retry::no;
  std::optional<Limit> limit;
  std::optional<std::int64_t> retry_after_s;
  std::string message;
  std::string detail;
  std::string param;
};

Error::Error() : Error(ErrorCode::internal_error, "unset error") {}
Error::Error(ErrorCode code, const char* message) : Error(code, std::string(message)) {}
Error::Error(ErrorCode code, std::string_view message) : Error(code, std::string(message)) {}
Error::Error(ErrorCode code, std::string message) : facts_(new Facts) {
  facts_->code = code;
  facts_->message = std::move(message);
}
Error::Error(ErrorCode code, std::string message, std::string detail)
    : Error(code, std::move(message)) {
  facts_->detail = std::move(detail);
}
Error::Error(const Error& other)
    : facts_(other.facts_ == nullptr ? nullptr : new Facts(*other.facts_)) {}
Error& Error::operator=(const Error& other) {
  Error copy(other);
  std::swap(facts_, copy.facts_);
  return *this;
}
void Error::destroy() noexcept {
  delete facts_;
}

const Error::Facts& Error::facts() const noexcept {
  static const Facts kMovedFrom;
  return facts_ == nullptr ? kMovedFrom : *facts_;
}
Error::Facts& Error::own() {
  if (facts_ == nullptr) facts_ = new Facts;
  return *facts_;
}

ErrorCode Error::code() const noexcept {
  return facts().code;
}
const std::string& Error::message() const noexcept {
  return facts().message;
}
const std::string& Error::detail() const noexcept {
  return facts().detail;
}
Side Error::side() const noexcept {
  return facts().side;
}
Retry Error::retry() const noexcept {
  return facts().retry;
}
const std::string& Error::param() const noexcept {
  return facts().param;
}
std::optional<Limit> Error::limit() const noexcept {
  return facts().limit;
}
std::optional<std::int64_t> Error::retry_after_s() const noexcept {
  return facts().retry_after_s;
}

Error&& Error::with_side(Side s) && {
  own().side = s;
  return std::move(*this);
}
Error&& Error::with_retry(Retry r) && {
  own().retry = r;
  return std::move(*this);
}
Error&& Error::with_param(std::string p) && {
  own().param = std::move(p);
  return std::move(*this);
}
Error&& Error::with_limit(std::optional<Limit> limit) && {
  own().limit = limit;
  return std::move(*this);
}
Error&& Error::with_retry_after(std::int64_t s) && {
  own().retry_after_s = s;
  return std::move(*this);
}

}  // namespace tollgate::base
