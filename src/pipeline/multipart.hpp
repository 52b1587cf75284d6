#pragma once

#include <string_view>

#include "tollgate/base/result.hpp"

namespace tollgate::pipeline {

/// The value of the one field `name` of a multipart/form-data body (RFC 7578); a view of `body`,
/// empty when no part has that name.
///
/// Strict, because the upstream reads the same bytes with another parser: what two readers could
/// understand differently is an error, not a guess.
/// Errors: invalid_request for a body that is not well formed, a second part of that name, a part
/// without a name, an extended (`name*`) or repeated name.
[[nodiscard]] base::Result<std::string_view> form_field(std::string_view content_type,
                                                        std::string_view body,
                                                        std::string_view name);

}  // namespace tollgate::pipeline
