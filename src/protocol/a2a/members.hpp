#pragma once

#include <string_view>

#include "tollgate/json/document.hpp"

namespace tollgate::protocol::a2a {

/// A member by either of its names: 1.0 is ProtoJSON, whose readers take both.
[[nodiscard]] inline json::NodeRef find_either(json::NodeRef object, std::string_view camel,
                                               std::string_view snake) noexcept {
  const json::NodeRef found = object.find(camel);
  return found ? found : object.find(snake);
}

}  // namespace tollgate::protocol::a2a
