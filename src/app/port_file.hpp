#pragma once

#include <cstdint>
#include <string>

/// The file that tells whoever started the gateway which port it got.
namespace tollgate::app {

/// Where a port file is written before it gets its name.
[[nodiscard]] std::string port_file_aside(const std::string& file);

/// Why `file` is not replaced; empty: there is nothing, or a port file of an earlier start.
[[nodiscard]] std::string port_file_fault(const std::string& file);

/// Its folder must be there. A reader never sees half a number.
/// Throws std::runtime_error naming the file when it cannot be written, or is not replaced.
void write_port_file(const std::string& file, std::uint16_t port);

}  // namespace tollgate::app
