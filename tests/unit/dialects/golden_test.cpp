// What is read from real-looking bodies and streams, as text files beside them. After a wanted
// change: TOLLGATE_UPDATE_GOLDEN=1 unit_dialects, then review the difference.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "dialect_fixture.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::protocol {
namespace {

using llm::DialectKind;
using llm::RequestKind;
namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string describe(const llm::Usage& usage) {
  std::ostringstream out;
  out << "usage: ";
  if (!usage.input_told && !usage.output_told) return "usage: none\n";
  out << "input " << usage.input << ", output " << usage.output << ", cache_read "
      << usage.cache_read << ", cache_write_5m " << usage.cache_write_5m << ", cache_write_1h "
      << usage.cache_write_1h << ", reasoning " << usage.reasoning << ", tier '"
      << usage.service_tier << "'\n";
  return out.str();
}

std::string describe(const llm::GovernedFields& f, std::size_t body_bytes,
                     const llm::Dialect& dialect) {
  std::ostringstream out;
  out << "model: " << f.model << "\nstream: " << f.stream
      << "\noutput_cap: " << (f.output_cap ? std::to_string(*f.output_cap) : "none")
      << "\nextra_output_bound: " << f.extra_output_bound << "\nchoices: " << f.choices
      << "\ninclude_usage: " << f.include_usage << "\nend_user: " << f.end_user
      << "\nservice_tier: " << f.service_tier << "\ntools:";
  for (const llm::OfferedTool& tool : f.tools)
    out << ' ' << tool.name << (tool.is_hosted ? "*" : "");
  out << "\nunbounded: " << f.unbounded_reason << "\nopaque: " << f.has_opaque_text
      << "\ncache_writes: " << int(f.cache_writes) << "\nimages: " << f.media.images
      << ", documents: " << f.media.documents << ", audio: " << f.media.audio_bytes
      << ", encoded: " << f.media.encoded_bytes << " bytes\ntext_token_bound - bytes: "
      << dialect.text_token_bound(body_bytes, f) - std::int64_t(body_bytes) << '\n';
  return out.str();
}

/// Every edit the router makes, as a whole body: what changed must be all that changed.
std::string edited(const test::Scanned& request) {
  json::Splicer edits(request.document);
  request.dialect.set_model(request.fields, edits, "served-model");
  request.dialect.set_output_cap(request.fields, edits, 64, llm::CapField::max_completion_tokens);
  request.dialect.include_usage(request.fields, edits);
  return edits.str();
}

std::string describe_request(DialectKind kind, RequestKind request_kind, const std::string& body) {
  const test::Scanned request(kind, request_kind, body);
  EXPECT_TRUE(request.result.has_value());
  std::string out = describe(request.fields, body.size(), request.dialect);
  out += "--- texts\n";
  for (const std::string& line : request.texts()) out += line + "\n";
  return out + "--- edited\n" + edited(request) + "\n";
}

std::string describe_response(const llm::Dialect& dialect, const std::string& body) {
  json::Document document;
  EXPECT_TRUE(document.parse(body).has_value());
  const llm::ResponseFacts facts = dialect.read_response(document);
  std::string out = "model: " + facts.model + "\nfinish: " + facts.finish_reason +
                    "\nchoices: " + std::to_string(facts.choices) +
                    "\nerror: " + std::to_string(facts.is_error) + "\n" + describe(facts.usage);
  std::vector<llm::TextSpan> spans;
  dialect.response_texts(document, spans);
  out += "--- texts\n";
  for (const std::string& line : test::Scanned::describe(spans)) out += line + "\n";
  json::Splicer edits(document);
  dialect.blank_shadow_text(document, edits);
  if (!edits.empty()) out += "--- without shadow text\n" + edits.str();
  return out;
}

std::string describe_stream(const llm::Dialect& dialect, const std::string& stream) {
  static constexpr const char* kClasses[] = {"start", "content", "finish", "usage_only",
                                             "done",  "error",   "ping",   "other"};
  static constexpr const char* kKinds[] = {"text", "reasoning", "refusal", "tool_arguments",
                                           "other"};
  std::ostringstream out;
  sse::Parser parser;
  json::Document document, scratch;
  llm::StreamEvent event;
  llm::Usage usage;
  std::string text;
  parser.feed(stream);
  while (const sse::Event* raw = parser.next()) {
    dialect.read_event(*raw, document, usage, event);
    out << kClasses[int(event.kind)] << (event.has_content ? " content" : "")
        << (event.is_json ? "" : " not-json") << (event.has_usage ? " usage" : "");
    if (!event.model.empty()) out << " model=" << event.model;
    if (!event.finish_reason.empty()) out << " finish=" << event.finish_reason;
    for (const std::uint32_t index : event.ended) {
      out << " ended=" << (index == llm::kWholeText ? "whole" : std::to_string(index));
    }
    out << (event.ends_all ? " ends-all" : "") << '\n';
    for (const llm::TextPiece& piece : event.pieces) {
      const bool is_whole = piece.channel.index == llm::kWholeText;
      out << "  [" << (is_whole ? "whole" : std::to_string(piece.channel.index)) << ' '
          << kKinds[int(piece.channel.kind)] << ' ' << (is_whole ? 0 : piece.channel.sub) << ']'
          << (piece.read_only ? " read-only" : "") << ' ' << piece.node.text(text) << '\n';
      std::string like;
      dialect.append_delta_like(like, raw->raw, piece.channel, "HELD \"1\"\n", scratch);
      if (!is_whole) out << "    like: " << like.substr(0, like.find("\n\n")) << '\n';
    }
  }
  out << describe(usage);
  return out.str();
}

void check_folder(DialectKind kind, const char* folder) {
  const llm::Dialect& dialect = llm::dialect(kind);
  std::size_t checked = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(TOLLGATE_SOURCE_DIR) / "tests/golden" / folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".expected")) continue;
    SCOPED_TRACE(name);
    const std::string input = read_file(entry.path());
    std::string actual;
    if (name.find(".request.") != name.npos) {
      RequestKind request = RequestKind::chat_completions;
      if (name.starts_with("embeddings")) request = RequestKind::embeddings;
      if (name.starts_with("messages")) request = RequestKind::messages;
      if (name.starts_with("count_tokens")) request = RequestKind::count_tokens;
      actual = describe_request(kind, request, input);
    } else if (name.find(".response.") != name.npos) {
      actual = describe_response(dialect, input);
    } else {
      actual = describe_stream(dialect, input);
    }
    const fs::path expected = entry.path().string() + ".expected";
    if (std::getenv("TOLLGATE_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(expected, std::ios::binary) << actual;
    }
    EXPECT_EQ(read_file(expected), actual);
    ++checked;
  }
  EXPECT_GE(checked, 6u);
}

TEST(Golden, OpenAi) {
  check_folder(DialectKind::openai, "openai");
}
TEST(Golden, Anthropic) {
  check_folder(DialectKind::anthropic, "anthropic");
}

}  // namespace
}  // namespace tollgate::protocol
