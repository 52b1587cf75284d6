#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace tollgate::base {

/// Holds a credential that cannot be printed by accident.
///
/// There is no operator<<, no conversion to string; formatting it gives `***`. The bytes are wiped
/// when the object dies or is assigned over. `reveal()` is the one way out: grep for it to find
/// every place that sends a credential somewhere.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  [[nodiscard]] std::string_view reveal() const noexcept { return value_; }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }
  /// Constant-time comparison (lengths may differ in time).
  [[nodiscard]] bool equals(std::string_view other) const noexcept;

 private:
  void wipe() noexcept;
  std::string value_;
};

}  // namespace tollgate::base

template <>
struct fmt::formatter<tollgate::base::Secret> {
  constexpr auto parse(format_parse_context& ctx) { return ctx.begin(); }
  template <class Ctx>
  auto format(const tollgate::base::Secret&, Ctx& ctx) const {
    return fmt::format_to(ctx.out(), "***");
  }
};
