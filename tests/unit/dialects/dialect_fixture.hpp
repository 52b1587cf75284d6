#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::protocol::test {

/// A request body parsed and scanned.
struct Scanned {
  Scanned(llm::DialectKind dialect_kind, llm::RequestKind kind, std::string body)
      : dialect(llm::dialect(dialect_kind)), text(std::move(body)) {
    const auto parsed = document.parse(text);
    EXPECT_TRUE(parsed.has_value()) << text;
    result = dialect.scan(kind, document, fields);
  }
  /// The refusal's `param`; "ok" when there is none.
  [[nodiscard]] std::string refused_param() const {
    if (result.has_value()) return "ok";
    EXPECT_EQ(result.error().code(), base::ErrorCode::invalid_request);
    EXPECT_FALSE(result.error().message().empty());
    return result.error().param();
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<llm::TextSpan> spans;
    dialect.request_texts(fields, spans);
    return describe(spans);
  }
  static std::vector<std::string> describe(const std::vector<llm::TextSpan>& spans) {
    std::vector<std::string> lines;
    std::string scratch;
    for (const llm::TextSpan& span : spans) {
      lines.push_back(std::string(is_tag(span) ? "tag" : to_string(span.role)) +
                      (span.ref.is_key ? " key" : "") + (span.read_only ? " read-only" : "") +
                      ": " + std::string(span.ref.text(scratch)));
    }
    return lines;
  }

  const llm::Dialect& dialect;
  std::string text;
  json::Document document;
  llm::GovernedFields fields;
  base::Result<void> result;
};

inline Scanned chat(std::string_view members) {
  return {llm::DialectKind::openai, llm::RequestKind::chat_completions,
          "{\"model\":\"m\"" + (members.empty() ? "" : "," + std::string(members)) + "}"};
}
inline Scanned messages(std::string_view members) {
  return {llm::DialectKind::anthropic, llm::RequestKind::messages,
          "{\"model\":\"m\"" + (members.empty() ? "" : "," + std::string(members)) + "}"};
}

}  // namespace tollgate::protocol::test
