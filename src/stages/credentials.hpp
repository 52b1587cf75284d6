#pragma once

#include <string>
#include <string_view>

#include "tollgate/json/document.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/protocol/llm/types.hpp"
#include "tollgate/protocol/sse/parser.hpp"

/// Taking the credentials an upstream was sent (RequestContext::secrets) out of what it answers.
///
/// JSON is searched as its reader reads it, escapes resolved, before its bytes are: of two values
/// that hold or overlap each other the bytes may show the one and spell the rest of the other.
/// Everything taken out is counted into the record. Threads: the worker's.
namespace tollgate::stages {

/// Which texts of a document are searched.
enum class Spelled : std::uint8_t {
  with_escapes,  ///< the others' bytes hold none, as was seen before
  anyhow,
};

/// How answers are parsed.
[[nodiscard]] json::ParseLimits answer_limits() noexcept;

struct InTexts {
  bool any = false;
  bool in_keys = false;  ///< of which two may be equal once replaced
};
/// Whether redact_text() has anything to look for.
[[nodiscard]] bool may_hold(const domain::policy::Secrets& secrets, std::string_view text);
/// Takes them out of one text; of one that is JSON with escapes out of its own texts first, as its
/// reader reads them. @return how many there were
std::size_t redact_text(const domain::policy::Secrets& secrets, std::string& text);
/// For a stream that spells one so that it cannot be taken out any more.
[[nodiscard]] base::Error hidden_credential();

/// Looks for them in the strings, keys and numbers of `document`, and writes kInstead for them
/// (numbers become strings) into `edits`, unless that is null.
/// @param passed_over  an event whose pieces are searched one by one (values, not keys)
InTexts find_credentials(pipeline::RequestContext& context, const json::Document& document,
                         Spelled spelled, json::Splicer* edits,
                         const protocol::llm::StreamEvent* passed_over = nullptr);

/// Takes them out of a whole body, before it is parsed: of JSON or lines that are JSON each, and
/// then of its bytes, names and numbers too. Without any in the bytes (they may still be spelled
/// with escapes) nothing is done, and false returned.
bool redact_credentials(pipeline::RequestContext& context, std::string& body);

/// Takes those spelled with escapes out of a body that is not one JSON text but may be lines of it.
/// False: what is no JSON spells one, and no reader can be trusted with it.
[[nodiscard]] bool redact_escaped_lines(pipeline::RequestContext& context, std::string& body);

/// Appends the event without them. Of one in a model dialect the data is left to the policy stage,
/// which knows what goes on from event to event.
void append_redacted(pipeline::RequestContext& context, const protocol::sse::Event& event,
                     std::string& out);

}  // namespace tollgate::stages
