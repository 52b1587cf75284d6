#include "stages/credentials.hpp"

#include <algorithm>

#include "stages/guard_verdicts.hpp"
#include "stages/text_scan.hpp"
#include "tollgate/domain/policy/secrets.hpp"
#include "tollgate/json/text_ref.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::stages {

using domain::policy::Secrets;
using pipeline::RequestContext;

namespace {

/// What a lenient reader could make of text with JSON's escapes that is no JSON. Characters beyond
/// ASCII are of no interest: no credential is sent in them.
std::string resolved(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c != 'u' || text.size() - i < 5) {
      out += c;
      continue;
    }
    unsigned code = 0;
    for (const char digit : text.substr(i + 1, 4)) {
      const bool is_digit = digit >= '0' && digit <= '9';
      const auto letter = static_cast<unsigned>((digit | 0x20) - 'a');
      code =
          code * 16 + (is_digit ? static_cast<unsigned>(digit - '0') : std::min(letter, 6u) + 10);
    }
    out += code < 0x80 ? static_cast<char>(code) : '?';
    i += 4;
  }
  return out;
}

/// Each line that is JSON by itself. False: another one spells a credential with escapes.
bool redact_lines(RequestContext& context, std::string& body, Spelled spelled) {
  json::Document document;
  std::string out;
  bool changed = false, good = true;
  for (std::string_view rest = body; !rest.empty() && good;) {
    const std::string_view line = rest.substr(0, std::min(rest.find('\n'), rest.size() - 1) + 1);
    rest.remove_prefix(line.size());
    json::Splicer edits(line);
    if (spelled == Spelled::with_escapes && line.find('\\') == line.npos) {
      // Not worth a parse.
    } else if (!document.parse(line, answer_limits()).has_error()) {
      changed = find_credentials(context, document, spelled, &edits).any || changed;
    } else if (spelled == Spelled::with_escapes) {
      good = !context.secrets->in(resolved(line));
    }
    edits.append_to(out);
  }
  if (changed) body = std::move(out);
  return good;
}

void append_plainly_redacted(RequestContext& context, std::string_view text, std::string& out) {
  note_credentials(context, context.secrets->redact_to(out, text));
}

}  // namespace

json::ParseLimits answer_limits() noexcept {
  json::ParseLimits limits;
  limits.allow_lone_surrogates = true;
  limits.max_depth = 512;
  limits.max_nodes = 4'000'000;
  return limits;
}

bool may_hold(const Secrets& secrets, std::string_view text) {
  return secrets.in(text) || (is_json_source(text) && text.find('\\') != std::string_view::npos);
}

// Recursion ends: each level of JSON inside JSON doubles the backslashes.
std::size_t redact_text(const Secrets& secrets, std::string& text) {  // NOLINT(misc-no-recursion)
  std::size_t found = 0;
  json::Document inner;
  if (is_json_source(text) && text.find('\\') != std::string::npos &&
      !inner.parse(text, answer_limits()).has_error()) {
    json::Splicer edits(text);
    std::string scratch, clean, json;
    const auto check = [&](json::TextRef ref) {
      clean.assign(ref.text(scratch));
      const std::size_t here = redact_text(secrets, clean);
      if (here == 0) return;
      found += here;
      json.clear();
      json::quote_into(json, clean);
      edits.replace(ref.begin_offset(), ref.end_offset(), json);
    };
    for (std::uint32_t i = 0; i < inner.node_count(); ++i) {
      if (inner.node(i).key_has_escape) check({inner.ref(i), true});
      if (inner.node(i).has_escape) check({inner.ref(i), false});
    }
    if (found != 0) text = edits.str();
  }
  return found + secrets.redact(text);
}

base::Error hidden_credential() {
  return base::Error(base::ErrorCode::upstream_invalid,
                     "the upstream's stream spells a credential in a way that cannot be taken out")
      .with_side(base::Side::upstream);
}

InTexts find_credentials(RequestContext& context, const json::Document& document, Spelled spelled,
                         json::Splicer* edits, const protocol::llm::StreamEvent* passed_over) {
  InTexts found;
  std::string scratch, clean, json;
  const auto check = [&](json::TextRef ref) {
    const std::string_view text = ref.text(scratch);
    if (!may_hold(*context.secrets, text)) return;
    clean.assign(text);
    const std::size_t count = redact_text(*context.secrets, clean);
    if (count == 0) return;
    found.any = true;
    found.in_keys = found.in_keys || ref.is_key;
    if (edits == nullptr) return;
    note_credentials(context, count);
    json.clear();
    json::quote_into(json, clean);
    edits->replace(ref.begin_offset(), ref.end_offset(), json);
  };
  const auto is_piece = [passed_over](std::uint32_t node) {
    return passed_over != nullptr &&
           std::any_of(passed_over->pieces.begin(), passed_over->pieces.end(),
                       [node](const protocol::llm::TextPiece& piece) {
                         return piece.node.index() == node && !piece.is_key;
                       });
  };
  const bool all = spelled == Spelled::anyhow;
  for (std::uint32_t i = 0; i < document.node_count(); ++i) {
    const json::Node& node = document.node(i);
    if (node.key_has_escape || (all && node.key_begin != node.key_end))
      check({document.ref(i), true});
    const bool is_text = node.kind == json::Kind::string || node.kind == json::Kind::number;
    if ((node.has_escape || (all && is_text)) && !is_piece(i)) check({document.ref(i), false});
  }
  return found;
}

bool redact_credentials(RequestContext& context, std::string& body) {
  if (context.secrets == nullptr || !context.secrets->in(body)) return false;
  {
    json::Document document;
    if (!document.parse(body, answer_limits()).has_error()) {
      json::Splicer edits(body);
      if (find_credentials(context, document, Spelled::anyhow, &edits).any) body = edits.str();
    } else {
      // What is no JSON is searched by its bytes, and by the policy stage for escapes.
      static_cast<void>(redact_lines(context, body, Spelled::anyhow));
    }
  }
  note_credentials(context, context.secrets->redact(body));
  return true;
}

bool redact_escaped_lines(RequestContext& context, std::string& body) {
  return redact_lines(context, body, Spelled::with_escapes);
}

void append_redacted(RequestContext& context, const protocol::sse::Event& event, std::string& out) {
  if (context.payload.dialect == nullptr) {
    std::string spliced;
    json::Document document;
    if (event.has_data && !document.parse(event.data, answer_limits()).has_error()) {
      json::Splicer edits(event.data);
      if (find_credentials(context, document, Spelled::anyhow, &edits).any)
        protocol::sse::append_with_edits(spliced, event, edits);
    }
    append_plainly_redacted(context, spliced.empty() ? event.raw : std::string_view(spliced), out);
    return;
  }
  for (std::string_view rest = event.raw; !rest.empty();) {
    const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size() - 1) + 1;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    if (line.starts_with("data:")) {
      out += line;
    } else {
      append_plainly_redacted(context, line, out);
    }
  }
}

}  // namespace tollgate::stages
