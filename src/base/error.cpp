#include "tollgate/base/error.hpp"

#include <iterator>

#include <array>

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

}  // namespace tollgate::base
