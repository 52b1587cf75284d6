#include "tollgate/protocol/llm/dialect.hpp"

#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/anthropic/dialect.hpp"
#include "tollgate/protocol/openai/dialect.hpp"

namespace tollgate::protocol::llm {

bool Dialect::set_model(const GovernedFields& fields, json::Splicer& edits,
                        std::string_view model) const {
  return edits.replace(fields.model_node, json::quote(model));
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
