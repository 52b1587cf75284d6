#pragma once

#include <cstddef>
#include <vector>

namespace tollgate::domain::policy {

/// The first i below `count` at which a[i] is `first` and b[i] is `second`; `count` when there is
/// none. Reads nothing at or after a[count] and b[count].
using FindPair = std::size_t(const char* a, const char* b, std::size_t count, char first,
                             char second);
/// What this CPU can run, the best last; the first needs nothing special.
[[nodiscard]] std::vector<FindPair*> pair_finders();

}  // namespace tollgate::domain::policy
