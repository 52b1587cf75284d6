#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "domain/policy/compiled.hpp"
#include "domain/policy/utf8.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::domain::policy {
namespace {

/// A regex whose largest width is known holds back that many bytes on streams, up to this.
constexpr unsigned kMaxRegexWidth = 1024;
constexpr std::size_t kMaxPatternBytes = 16 * 1024;

std::string escaped(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    // Hex escapes leave nothing to interpret; bytes of other scripts are themselves in UTF-8 mode.
    if (is(c, kAlnum) || static_cast<unsigned char>(c) >= 0x80) {
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

base::Error refused(std::string reason) {
  return base::Error(base::ErrorCode::invalid_request, std::move(reason));
}

std::string take_message(hs_compile_error_t* error) {
  std::string message = error != nullptr && error->message != nullptr ? error->message : "unknown";
  hs_free_compile_error(error);
  return message;
}

base::Result<UserExpression> keyword_expression(const config::GuardRule& rule) {
  const std::string& word = rule.pattern;
  UserExpression out;
  out.text = escaped(word);
  out.pattern.keyword = true;
  out.pattern.left_word = is(word.front(), kAlnum) || word.front() == '_';
  out.pattern.right_word = is(word.back(), kAlnum) || word.back() == '_';
  out.pattern.bytes = word.size();
  if (rule.case_insensitive) out.flags |= HS_FLAG_CASELESS;
  if (rule.case_insensitive && !is_ascii(word)) {
    // Unicode case folding may change a letter's length, so the start has to be tracked.
    out.flags |= HS_FLAG_UTF8 | HS_FLAG_UCP | HS_FLAG_SOM_LEFTMOST;
    out.pattern.bytes = 0;
  }
  return out;
}

}  // namespace

base::Result<UserExpression> user_expression(const config::GuardRule& rule,
                                             std::size_t regex_hold_bytes) {
  if (rule.pattern.empty()) return refused("the pattern is empty");
  if (rule.pattern.size() > kMaxPatternBytes) return refused("the pattern is over 16 KiB");
  UserExpression out;
  if (rule.kind == config::RuleKind::keyword) {
    TG_TRY(out, keyword_expression(rule));
  } else {
    out.text = rule.pattern;
    if (out.text.find('\0') != std::string::npos) return refused("the pattern holds a NUL");
    out.flags = HS_FLAG_UTF8 | HS_FLAG_SOM_LEFTMOST;
    if (rule.case_insensitive) out.flags |= HS_FLAG_CASELESS;
    if (rule.case_insensitive && !is_ascii(out.text)) out.flags |= HS_FLAG_UCP;
  }
  hs_expr_info_t* info = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_expression_info(out.text.c_str(), out.flags, &info, &error) != HS_SUCCESS) {
    return refused(take_message(error));
  }
  const unsigned width = info->max_width;
  std::free(info);  // NOLINT: Vectorscan's default misc allocator is malloc
  // A keyword of fixed bytes is held by its prefix (KeywordTails), everything else by its width.
  if (out.pattern.bytes == 0) {
    out.pattern.unbounded = width > kMaxRegexWidth;
    out.hold = out.pattern.unbounded ? regex_hold_bytes : width;
  }
  // Only a trial compile finds what is "too large" for tracking where matches start.
  std::vector<UserExpression> alone;
  alone.push_back(out);
  auto trial = compile_database(alone);
  if (trial.has_error()) {
    std::string reason = trial.error().message();
    if (reason.find("too large") != std::string::npos) {
      reason += " To find where a match starts, write + or * in place of large {m,n} repeats.";
    }
    return refused(std::move(reason));
  }
  return out;
}

base::Result<Database> compile_database(const std::vector<UserExpression>& all) {
  std::vector<const char*> texts;
  std::vector<unsigned> flags, ids;
  for (unsigned id = 0; const UserExpression& e : all) {
    texts.push_back(e.text.c_str());
    flags.push_back(e.flags);
    ids.push_back(id++);
  }
  hs_database_t* db = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(texts.size()),
                       HS_MODE_BLOCK, nullptr, &db, &error) != HS_SUCCESS) {
    return refused(take_message(error));
  }
  return Database(db);
}

// Folded to ASCII lower case whether or not the rule is: a tail that only looks like a keyword is
// held a little longer, never released too early.
void KeywordTails::add(std::string_view keyword) {
  std::string folded = base::to_lower(keyword);
  first_.set(static_cast<unsigned char>(folded[0]));
  longest_ = std::max(longest_, folded.size());
  folded_.push_back(std::move(folded));
}

void KeywordTails::seal() {
  std::sort(folded_.begin(), folded_.end());
}

std::size_t KeywordTails::hold(std::string_view text) const noexcept {
  const std::size_t n = text.size();
  const auto fold = [](char c) { return base::ascii_lower(c); };
  for (std::size_t k = std::min(n, longest_); k > 0; --k) {
    const std::string_view tail = text.substr(n - k);
    if (!first_.test(static_cast<unsigned char>(fold(tail[0])))) continue;
    // First keyword that is not less than the tail; the tail is a prefix of it or of none.
    const auto less = [&](const std::string& word, std::string_view t) {
      const std::size_t m = std::min(word.size(), t.size());
      for (std::size_t i = 0; i < m; ++i) {
        const char c = fold(t[i]);
        if (word[i] != c) {
          return static_cast<unsigned char>(word[i]) < static_cast<unsigned char>(c);
        }
      }
      return word.size() < t.size();
    };
    const auto it = std::lower_bound(folded_.begin(), folded_.end(), tail, less);
    if (it == folded_.end() || it->size() < k) continue;
    bool prefix = true;
    for (std::size_t i = 0; prefix && i < k; ++i) prefix = (*it)[i] == fold(tail[i]);
    if (prefix) return n - k;
  }
  return n;
}

}  // namespace tollgate::domain::policy
