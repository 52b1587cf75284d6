#include "domain/policy/json_source.hpp"

#include <algorithm>

#include "domain/policy/detectors.hpp"

namespace tollgate::domain::policy {

std::size_t after_escape(std::string_view text, std::size_t begin) noexcept {
  if (begin == 0 || begin >= text.size() || text[begin - 1] != '\\') return begin;
  // An even run of backslashes escapes itself. One longer than the context that streams keep is
  // taken for odd: the letter then stays, which no reader minds.
  constexpr std::size_t kLongestRun = kContextBytes - 1;
  static_assert(kLongestRun % 2 == 1);
  std::size_t run = 1;
  while (run < kLongestRun && run < begin && text[begin - 1 - run] == '\\') ++run;
  if (run % 2 == 0) return begin;
  const std::size_t letter = text[begin] == 'u' ? 5 : 1;
  return std::min(text.size(), begin + letter);
}

std::size_t before_escape(std::string_view text, std::size_t end) noexcept {
  const auto escapes = [text](std::size_t i) {  // the backslash at i begins a sequence
    std::size_t run = 0;
    while (run <= i && text[i - run] == '\\') ++run;
    return run % 2 == 1;
  };
  for (std::size_t back = 1; back <= 5 && back <= end; ++back) {  // "\uABC" is the longest part
    const std::size_t at = end - back;
    if (text[at] == '\\') return escapes(at) && (back == 1 || text[at + 1] == 'u') ? at : end;
  }
  return end;
}

}  // namespace tollgate::domain::policy
