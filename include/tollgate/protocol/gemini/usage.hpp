#pragma once

#include "tollgate/json/document.hpp"
#include "tollgate/protocol/llm/types.hpp"

namespace tollgate::protocol::gemini {

/// Reads a `usageMetadata` object (of a whole answer, or of one chunk of a stream) into `usage`.
///
/// Purpose:  counts of Google's own, each token once, in the terms every dialect is priced in.
/// Counts:   promptTokenCount includes cachedContentTokenCount; candidatesTokenCount leaves out
///           thoughtsTokenCount, which is billed as output; toolUsePromptTokenCount is input beside
///           the prompt. The ...TokensDetails tell which of them are audio. A total that is more
///           than its parts tells of output that no part names.
/// Streams:  every chunk repeats the whole call so far: taken, not added. A side that a chunk
///           leaves out keeps what was told before, of the output as a part of it.
/// Served:   `serviceTier`, else `trafficType` in the words of requests ("priority", "flex"); the
///           usual one is told as "standard".
/// What is no object, and counts that are no whole numbers, are as good as not told.
/// Facts:    Gemini and Vertex API references as of 2026-11; camelCase and snake_case.
void read_usage(json::NodeRef usage_metadata, llm::Usage& usage);

}  // namespace tollgate::protocol::gemini
