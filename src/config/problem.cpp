#include <fmt/format.h>

#include "tollgate/base/strings.hpp"
#include "tollgate/config/load.hpp"

namespace tollgate::config {

std::string to_string(const Problem& problem) {
  std::string text = problem.file;
  if (problem.line != 0) text += fmt::format(":{}:{}", problem.line, problem.column);
  text += ": ";
  // Names come from the file: nothing in them may move a terminal's cursor or start a new line.
  if (!problem.path.empty()) text += base::printable(problem.path) + ": ";
  text += base::printable(problem.what, 1'000);
  if (!problem.expected.empty()) text += "; expected " + base::printable(problem.expected, 1'000);
  if (!problem.suggestion.empty())
    text += "; did you mean \"" + base::printable(problem.suggestion) + "\"?";
  return text;
}

}  // namespace tollgate::config
