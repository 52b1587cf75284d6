#pragma once

#include <cstdint>
#include <optional>

#include "tollgate/json/splice.hpp"

/// Private to src/protocol.
namespace tollgate::protocol::detail {

/// The first byte of an element, or of a member's key.
[[nodiscard]] inline std::uint32_t child_begin(json::NodeRef child) noexcept {
  const std::string_view key = child.key_raw();
  if (key.empty()) return child.begin_offset();
  return static_cast<std::uint32_t>(key.data() - child.document()->text().data());
}

/// Takes out every child that `unwanted` names, each run of them with exactly the commas that keep
/// the rest well formed.
/// @return how many were taken out
template <class Unwanted>
std::size_t remove_children(json::NodeRef container, Unwanted&& unwanted, json::Splicer& splicer) {
  std::size_t removed = 0;
  std::optional<std::uint32_t> kept_end;   // of the last child that stays
  std::optional<std::uint32_t> run_begin;  // of the run of unwanted children being read
  std::uint32_t run_end = 0;
  for (const json::NodeRef child : container.children()) {
    if (unwanted(child)) {
      if (!run_begin) run_begin = kept_end.value_or(child_begin(child));
      run_end = child.end_offset();
      ++removed;
      continue;
    }
    if (run_begin) {
      // Behind a kept child the comma before the run goes; at the start, the one behind it.
      splicer.replace(*run_begin, kept_end ? run_end : child_begin(child), {});
      run_begin.reset();
    }
    kept_end = child.end_offset();
  }
  if (run_begin) splicer.replace(*run_begin, run_end, {});
  return removed;
}

}  // namespace tollgate::protocol::detail
