#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/policy/json_source.hpp"
#include "tollgate/domain/policy/rule_set.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/json/text_ref.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/protocol/sse/parser.hpp"

namespace tollgate::stages {

/// Whether text may be JSON itself, by its first character: arguments of tool calls, results.
[[nodiscard]] bool is_json_source(std::string_view text) noexcept;

/// Guardrails over one text that is complete, read as its reader may read it: text that is JSON
/// with escapes string by string, escapes resolved, and then across them.
///
/// Threads: a worker's. Lifetime: a worker's; between two texts it holds scratch memory only.
class TextScan {
 public:
  /// Scans with the call's rules and notes what was found. For `mask` the text without it is in
  /// masked(), for `block` the match in matches(), each until the next scan.
  config::GuardAction scan(pipeline::RequestContext& context, domain::policy::Direction direction,
                           std::string_view text);
  /// The same for the lines of an event beside its data: comments and other fields, which reach the
  /// agent too and cannot be changed. The strongest action; `matches()` are of that line.
  config::GuardAction scan_lines(pipeline::RequestContext& context,
                                 domain::policy::Direction direction,
                                 const protocol::sse::Event& event);
  [[nodiscard]] const std::string& masked() const noexcept { return masked_; }
  [[nodiscard]] const std::vector<domain::policy::Match>& matches() const noexcept {
    return matches_;
  }

 private:
  config::GuardAction scan_inner(pipeline::RequestContext& context,
                                 domain::policy::Direction direction, std::string_view text);

  config::GuardAction scan_across(pipeline::RequestContext& context,
                                  domain::policy::Direction direction, std::string_view text);
  void hide(std::size_t begin, std::size_t end, std::string_view replacement);
  [[nodiscard]] std::size_t source_begin(std::size_t at) const noexcept;
  [[nodiscard]] std::size_t source_end(std::size_t at) const noexcept;
  [[nodiscard]] bool is_inside_one(std::size_t begin, std::size_t end, std::string_view text) const;

  /// A part of the source, and what stands there instead.
  struct Hidden {
    std::uint32_t begin, end;
    std::string text;
  };
  /// A rule that matched in the text at this place of the source.
  struct Hit {
    std::uint32_t begin, end, rule;
  };

  std::vector<domain::policy::Match> matches_;
  std::vector<Hidden> hidden_;
  std::vector<Hit> inner_hits_;
  std::string masked_, json_, inner_text_;
  json::Document inner_;
  json::Splicer inner_edits_;
  domain::policy::JsonSource source_;
  std::vector<json::TextRef> inner_refs_;
};

}  // namespace tollgate::stages
