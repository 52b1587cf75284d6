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

GuardAction TextScan::scan(RequestContext& context, Direction direction, std::string_view text) {
  if (context.rules->empty(direction)) return GuardAction::allow;
  // Escapes hide words from a reader of the characters, and a mask across one would break the JSON:
  // each of its own texts is read instead.
  if (is_json_source(text) && text.find('\\') != std::string_view::npos &&
      !inner_.parse(text, answer_limits()).has_error())
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
  inner_edits_.reset(text);
  inner_refs_.clear();
  json::append_texts(inner_.root(), true, inner_refs_);
  GuardAction strongest = GuardAction::allow;
  for (const json::TextRef& ref : inner_refs_) {
    const std::string_view inner_text = ref.text(inner_text_);
    const GuardAction action =
        context.services->scanner.scan(*context.rules, direction, inner_text, matches_);
    if (action == GuardAction::allow) continue;
    note_matches(context, direction, matches_);
    strongest = std::max(strongest, action);
    if (action == GuardAction::block) break;
    if (action != GuardAction::mask) continue;
    masked_.clear();
    context.rules->mask_to(masked_, inner_text, matches_);
    json_.clear();
    json::quote_into(json_, masked_);
    if (!inner_edits_.replace(ref.begin_offset(), ref.end_offset(), json_)) {
      strongest = GuardAction::block;
      break;
    }
  }
  if (strongest == GuardAction::mask) masked_ = inner_edits_.str();
  inner_.trim();
  return strongest;
}

}  // namespace tollgate::stages
