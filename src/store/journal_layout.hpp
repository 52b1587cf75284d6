#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tollgate/domain/budget/scope_path.hpp"

/// How the journal's two files are laid out.
namespace tollgate::store::journal_layout {

/// First page of the file of slots; the slots follow, in chunks. In the machine's byte order.
struct Header {
  std::array<char, 8> magic{};
  std::uint32_t version = 0;
  std::uint32_t slot_bytes = 0;
  std::uint32_t chunk_slots = 0;
  std::uint32_t checksum = 0;  ///< CRC-32 of the header with 0 here
  std::uint64_t epoch = 0;     ///< tells this journal from all others
  /// Of the boot of the machine it was made in: when it is another, the machine went down.
  std::array<char, 40> boot_id{};
  std::array<char, 4'024> unused{};
};
static_assert(sizeof(Header) == 4'096);

[[nodiscard]] std::string slots_path(const std::string& database);
[[nodiscard]] std::string names_path(const std::string& database);
/// Linux's id of this boot; empty where there is none.
[[nodiscard]] std::string boot_id();
[[nodiscard]] Header make_header(std::uint64_t epoch, std::string_view boot);
[[nodiscard]] bool is_whole(const Header& header) noexcept;

/// First line of the file of names.
[[nodiscard]] std::string names_head(std::uint64_t epoch);
/// "<number> <kind> <id> <CRC-32 of what stands before>\n".
[[nodiscard]] std::string name_line(std::uint32_t number, domain::budget::ScopeName name);
/// Reads such a line, without its end. False when it is none.
[[nodiscard]] bool read_name_line(std::string_view line, std::uint32_t& number,
                                  config::ScopeKind& kind, std::string& id);

}  // namespace tollgate::store::journal_layout
