#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace tollgate::testing {

/// Starts a program in `directory`. Its outputs go to the two files (the same name: one file). The
/// child dies with the test process.
pid_t spawn(const std::vector<std::string>& argv, const std::string& directory,
            const std::map<std::string, std::string>& environment, const std::string& out_file,
            const std::string& err_file);

/// The exit code of a wait status; 128 + signal when a signal ended it.
int exit_code_of(int wait_status) noexcept;

}  // namespace tollgate::testing
