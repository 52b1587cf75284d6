#include "tollgate/base/error.hpp"

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

}  // namespace tollgate::base
