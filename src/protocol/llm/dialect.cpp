#include "tollgate/protocol/llm/dialect.hpp"

#include "protocol/mcp/remove_children.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/anthropic/dialect.hpp"
#include "tollgate/protocol/openai/dialect.hpp"

namespace tollgate::protocol::llm {

bool Dialect::set_model(const GovernedFields& fields, json::Splicer& edits,
                        std::string_view model) const {
  return edits.replace(fields.model_node, json::quote(model));
}

bool Dialect::name_output_cap(const GovernedFields& fields, json::Splicer& edits,
                              CapField known) const {
  const json::NodeRef cap = fields.max_completion_tokens_node, old = fields.max_tokens_node;
  if (known != CapField::max_tokens || fields.kind != RequestKind::chat_completions || !cap ||
      cap.is_null() || (old && !old.is_null()))
    return false;
  // The key must not be there twice, and strict hosts refuse the newer one even as null.
  if (old) {
    detail::remove_children(
        fields.root, [old](json::NodeRef member) { return member.index() == old.index(); }, edits);
  }
  const std::uint32_t begin = detail::child_begin(cap);
  return edits.replace(begin, begin + static_cast<std::uint32_t>(cap.key_raw().size()),
                       R"("max_tokens")");
}

const Dialect& dialect(DialectKind kind) noexcept {
  switch (kind) {
    case DialectKind::anthropic:
      return anthropic::dialect();
    case DialectKind::openai:
      break;
  }
  return openai::dialect();
}

}  // namespace tollgate::protocol::llm
