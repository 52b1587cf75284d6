#include "domain/policy/literals.hpp"

#include <algorithm>

#include "domain/policy/detectors.hpp"

namespace tollgate::domain::policy {
const LiteralSet& LiteralSet::instance() {
  static const LiteralSet set;
  return set;
}

LiteralSet::LiteralSet() {
  for (std::uint16_t i = 0; const KeySpec& spec : key_specs())
    literals_.push_back({spec.literal, Kind::key, i++});
  for (const std::string_view pem : kPemLiterals) literals_.push_back({pem, Kind::pem});
  // An at sign, and how URLs and JSON inside a JSON string write it.
  for (const std::string_view at : {"@", "%40", "\\u0040"})
    literals_.push_back({at, Kind::at_sign});
  // Those that are too short for a choice of anchor first.
  std::stable_partition(literals_.begin(), literals_.end(),
                        [](const Literal& l) { return l.text.size() < 3; });
  for (Literal& literal : literals_) {
    literal.anchor = static_cast<std::uint16_t>(tables.add(literal.text));
    longest = std::max(longest, literal.text.size());
    by_first_byte_[static_cast<unsigned char>(literal.text[0])].push_back(literal.text);
  }
  const auto last = [](const Literal& l) { return static_cast<unsigned char>(l.text[l.anchor]); };
  std::stable_sort(literals_.begin(), literals_.end(), [&](const Literal& a, const Literal& b) {
    return last(a) != last(b) ? last(a) < last(b) : a.text.size() < b.text.size();
  });
  for (const Literal& literal : literals_)
    for (std::size_t c = last(literal) + 1u; c < first_.size(); ++c) ++first_[c];
}

std::size_t LiteralSet::hold(std::string_view text) const noexcept {
  const std::size_t n = text.size();
  for (std::size_t k = std::min(n, longest - 1); k > 0; --k) {
    const std::string_view tail = text.substr(n - k);
    for (const std::string_view literal : by_first_byte_[static_cast<unsigned char>(tail[0])]) {
      if (literal.size() > k && literal.starts_with(tail)) return n - k;
    }
  }
  return n;
}

}  // namespace tollgate::domain::policy
