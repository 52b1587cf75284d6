#pragma once

#include <vector>

#include "tollgate/config/load.hpp"

namespace tollgate::app {

/// LoadOptions::further_checks of everything that serves or checks a configuration: what only the
/// parts that will use it can tell. Patterns that do not compile, certificates, keys and CAs that
/// cannot be used, addresses this machine does not have, places where the gateway could not make
/// its files or would destroy another. Blocks on files; takes milliseconds per regex.
///
/// @param sources  what the configuration is read from.
/// @param running  the configuration in force, at a reload: places it has already are not judged
///                 again, they are in use and a full or failing disk must not keep a reload away.
///                 Null at start and in `check`, which judges as the user who runs it.
/// Leaves nothing behind: whether a file can be made is tried with a folder that is removed again.
[[nodiscard]] std::vector<config::Problem> serving_problems(
    const config::Snapshot& snapshot, const std::vector<config::SourceFile>& sources,
    const config::Snapshot* running = nullptr);

}  // namespace tollgate::app
