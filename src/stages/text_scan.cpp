#include "stages/text_scan.hpp"

#include <algorithm>

#include "stages/credentials.hpp"
#include "stages/guard_verdicts.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::stages {

using config::GuardAction;
using domain::policy::Direction;
using pipeline::RequestContext;

bool is_json_source(std::string_view text) noexcept {
  for (const char c : text) {
    if (c == '{' || c == '[') return true;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return false;
  }
  return false;
}

namespace {
/// What `event:` and `id:` lines hold when nobody wrote text into them.
bool is_plain_tag(std::string_view text) noexcept {
  return text.size() <= 48 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || c == '_' || c == '.' || c == '-';
         });
}
}  // namespace

GuardAction TextScan::scan_lines(RequestContext& context, Direction direction,
                                 const protocol::sse::Event& event) {
  if (!event.has_other && is_plain_tag(event.name) && is_plain_tag(event.id))
    return GuardAction::allow;
  std::string_view rest = event.raw;
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_of("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.empty() || line == "data" || line.starts_with("data:")) continue;
    const GuardAction action = scan(context, direction, line);
    if (action == GuardAction::mask || action == GuardAction::block) return action;
  }
  return GuardAction::allow;
}

GuardAction TextScan::scan(RequestContext& context, Direction direction, std::string_view text) {
  if (context.rules->empty(direction)) return GuardAction::allow;
  // Escapes hide words from a reader of the characters, and a mask across one would break the JSON:
  // each of its own texts is read instead, and what is more than one text with escapes resolved.
  if ((is_json_source(text) || text.starts_with('"')) &&
      text.find('\\') != std::string_view::npos && !inner_.parse(text, answer_limits()).has_error())
    return scan_inner(context, direction, text);
  const GuardAction action =
      context.services->scanner.scan(*context.rules, direction, text, matches_);
  if (action == GuardAction::allow) return action;
  note_matches(context, direction, matches_);
  if (action == GuardAction::mask) {
    masked_.clear();
    context.rules->mask_to(masked_, text, matches_);
  }
  return action;
}

/// The same for a text that is JSON: inner_ has parsed it.
GuardAction TextScan::scan_inner(RequestContext& context, Direction direction,
                                 std::string_view text) {
  hidden_.clear();
  inner_hits_.clear();
  inner_refs_.clear();
  json::append_texts(inner_.root(), true, inner_refs_);
  GuardAction strongest = GuardAction::allow;
  for (const json::TextRef& ref : inner_refs_) {
    const std::string_view inner_text = ref.text(inner_text_);
    const GuardAction action =
        context.services->scanner.scan(*context.rules, direction, inner_text, matches_);
    if (action == GuardAction::allow) continue;
    note_matches(context, direction, matches_);
    for (const auto& match : matches_)
      inner_hits_.push_back({ref.begin_offset(), ref.end_offset(), match.rule});
    strongest = std::max(strongest, action);
    if (action == GuardAction::block) break;
    if (action != GuardAction::mask) continue;
    masked_.clear();
    context.rules->mask_to(masked_, inner_text, matches_);
    json_.clear();
    json::quote_into(json_, masked_);
    hidden_.push_back({ref.begin_offset(), ref.end_offset(), json_});
  }
  if (strongest != GuardAction::block)
    strongest = std::max(strongest, scan_across(context, direction, text));
  if (strongest == GuardAction::mask) {
    inner_edits_.reset(text);
    for (const Hidden& one : hidden_) {
      // Keys and values of one document do not overlap, and what crosses them was widened.
      if (!inner_edits_.replace(one.begin, one.end, one.text)) strongest = GuardAction::block;
    }
    masked_ = inner_edits_.str();
  }
  constexpr std::size_t kKeep = 64 * 1024;
  inner_.trim();
  inner_edits_.trim(kKeep);
  source_.clear();
  if (source_.capacity() > kKeep) source_.shrink_to_fit();
  if (inner_text_.capacity() > kKeep) std::string().swap(inner_text_);
  if (inner_refs_.capacity() > kKeep / sizeof(inner_refs_[0]))
    std::vector<json::TextRef>().swap(inner_refs_);
  return strongest;
}

/// Matches that one text inside does not hold: `"ssn": ?"[0-9-]+"` names a member and its value.
/// They stand where the same rule finds them in a stream, or in source without escapes. Masks go to
/// inner_edits_.
GuardAction TextScan::scan_across(RequestContext& context, Direction direction,
                                  std::string_view text) {
  if (!context.rules->has_patterns(direction)) return GuardAction::allow;
  source_.clear();
  inner_text_.clear();
  source_.feed(text, inner_text_);
  source_.finish(inner_text_);
  if (context.services->scanner.scan(*context.rules, direction, inner_text_, matches_) ==
      GuardAction::allow)
    return GuardAction::allow;
  std::erase_if(matches_, [&](const domain::policy::Match& match) {
    const std::size_t begin = source_begin(match.begin), end = source_end(match.end);
    // Read already: a rule without an end of its own finds the same once more and runs on.
    return is_inside_one(begin, end, text) ||
           std::any_of(inner_hits_.begin(), inner_hits_.end(), [&](const Hit& hit) {
             return hit.rule == match.rule && hit.begin < end && begin < hit.end;
           });
  });
  note_matches(context, direction, matches_);
  GuardAction strongest = GuardAction::allow;
  for (const auto& match : matches_)
    strongest = std::max(strongest, context.rules->rule(match).action);
  if (strongest != GuardAction::mask) return strongest;
  for (const auto& match : matches_) {
    const auto& rule = context.rules->rule(match);
    if (rule.action == GuardAction::mask)
      hide(source_begin(match.begin), source_end(match.end), rule.replacement);
  }
  return strongest;
}

/// Together with all that is hidden there already, as one.
void TextScan::hide(std::size_t begin, std::size_t end, std::string_view replacement) {
  Hidden whole{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), {}};
  std::erase_if(hidden_, [&](const Hidden& one) {
    if (one.begin >= whole.end || whole.begin >= one.end) return false;
    whole.begin = std::min(whole.begin, one.begin);
    whole.end = std::max(whole.end, one.end);
    return true;
  });
  json::escape_into(whole.text, replacement);
  hidden_.push_back(std::move(whole));
}

std::size_t TextScan::source_begin(std::size_t at) const noexcept {
  return source_.differs() ? source_.begin_of(at) : at;
}
std::size_t TextScan::source_end(std::size_t at) const noexcept {
  return source_.differs() ? source_.end_of(at) : at;
}

/// Whether bytes of the source belong to one of the texts that were read for themselves.
bool TextScan::is_inside_one(std::size_t begin, std::size_t end, std::string_view text) const {
  const auto after = std::upper_bound(
      inner_refs_.begin(), inner_refs_.end(), begin,
      [](std::size_t at, const json::TextRef& ref) { return at < ref.begin_offset(); });
  if (after == inner_refs_.begin()) return false;
  const json::TextRef& ref = *std::prev(after);
  const std::size_t quote = text[ref.begin_offset()] == '"' ? 1 : 0;
  return begin >= ref.begin_offset() + quote && end + quote <= ref.end_offset();
}

}  // namespace tollgate::stages
