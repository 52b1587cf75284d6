#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "domain/policy/scan_state.hpp"
#include "domain/policy/utf8.hpp"
#include "tollgate/domain/policy/json_source.hpp"
#include "tollgate/domain/policy/stream_guard.hpp"

namespace tollgate::domain::policy {

/// One channel's text: [context | undecided], the front cut off lazily.
struct StreamGuard::Channel {
  std::uint64_t key = 0;
  TextForm form = TextForm::plain;
  std::string text;
  JsonSource source;        ///< what `text` is read from (TextForm::json_source)
  std::size_t base = 0;     ///< first undecided byte of `text`
  std::size_t spilled = 0;  ///< undecided bytes before it were given away (StreamGuard::spill)
  std::size_t dropped = 0;  ///< bytes of the channel before text[0]
  bool quiet = true;        ///< the undecided bytes are letters only (or none)
  bool blocked = false;
  std::optional<PemReader> pem;
  std::string masked;                       ///< backs `release` when something was replaced
  std::vector<std::size_t> observed_until;  ///< see Window::observed_until

  /// Forgets decided text but for the `context` bytes that are looked back at.
  void trim(std::size_t context, std::size_t slack) {
    if (base <= context + slack) return;  // a short front is cheaper to keep than to move
    const std::size_t cut = code_point_start(text, base - context);
    text.erase(0, cut);
    source.drop(cut);
    base -= cut;
    spilled -= std::min(spilled, cut);
    dropped += cut;
    if (pem) pem->rebase(cut);
    for (std::size_t& end : observed_until) end -= std::min(end, cut);
  }
  void restart() {
    text.clear();
    source.clear();
    base = spilled = dropped = 0;
    quiet = true;
    blocked = false;
    form = TextForm::plain;
    pem.reset();
    observed_until.clear();
  }
  /// Where the text that is held back begins.
  [[nodiscard]] std::size_t held_from() const noexcept { return std::max(base, spilled); }

  // What the agent gets: the text, or the source it was read from.

  [[nodiscard]] std::string_view out() const noexcept {
    return source.differs() ? source.source() : std::string_view(text);
  }
  [[nodiscard]] std::size_t out_begin(std::size_t at) const noexcept {
    return source.differs() ? source.begin_of(at) : at;
  }
  [[nodiscard]] std::size_t out_end(std::size_t at) const noexcept {
    return source.differs() ? source.end_of(at) : at;
  }
  [[nodiscard]] std::size_t held() const noexcept { return out().size() - out_begin(held_from()); }
};

}  // namespace tollgate::domain::policy
