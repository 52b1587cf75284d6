#pragma once

#include "tollgate/json/document.hpp"

namespace tollgate::protocol::llm {

/// The HTTP status that an error object inside a 200 stands for: the number it gives (`code`,
/// `status`), else that of its `type`; 0 when it says neither.
[[nodiscard]] int status_of_error(json::NodeRef error);

}  // namespace tollgate::protocol::llm
