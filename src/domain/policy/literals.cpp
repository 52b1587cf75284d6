#include <algorithm>
#include <stdexcept>

#include "domain/policy/compiled.hpp"

namespace tollgate::domain::policy {

const LiteralSet& LiteralSet::instance() {
  static const LiteralSet set;
  return set;
}

LiteralSet::LiteralSet() {
  for (std::uint16_t i = 0; const KeySpec& spec : key_specs()) {
    literals.push_back({spec.literal, Kind::key, i++});
  }
  for (const std::string_view pem : kPemLiterals) literals.push_back({pem, Kind::pem, 0});
  // An at sign as URLs and as JSON inside a JSON string write it.
  literals.push_back({"%40", Kind::escaped_at, 0});
  literals.push_back({"\\u0040", Kind::escaped_at, 0});

  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  std::vector<unsigned> ids;
  for (unsigned id = 0; const Literal& l : literals) {
    texts.push_back(l.text.data());
    sizes.push_back(l.text.size());
    ids.push_back(id++);
    longest = std::max(longest, l.text.size());
    by_first_byte_[static_cast<unsigned char>(l.text[0])].push_back(l.text);
  }
  const std::vector<unsigned> flags(literals.size(), 0);
  hs_database_t* db = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_lit_multi(texts.data(), flags.data(), ids.data(), sizes.data(),
                           static_cast<unsigned>(texts.size()), HS_MODE_BLOCK, nullptr, &db,
                           &error) != HS_SUCCESS) {
    const std::string reason = error != nullptr ? error->message : "unknown";
    hs_free_compile_error(error);
    throw std::runtime_error("Vectorscan cannot compile the built-in literals: " + reason);
  }
  database.reset(db);
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
