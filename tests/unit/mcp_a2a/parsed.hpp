#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tollgate/json/document.hpp"
#include "tollgate/json/text_ref.hpp"
#include "tollgate/protocol/jsonrpc/message.hpp"
#include "tollgate/protocol/jsonrpc/texts.hpp"

namespace tollgate::protocol::testing {

/// A JSON-RPC message with the text it lives in.
struct Parsed {
  explicit Parsed(std::string json) : text(std::move(json)) {
    EXPECT_TRUE(document.parse(text).has_value()) << text;
    message.root = document.root();
    message.id = message.root.find("id");
    message.id_raw = message.id.raw();
    message.method_node = message.root.find("method");
    message.method = message.method_node.text();
    message.params = message.root.find("params");
    message.result = message.root.find("result");
    message.error = message.root.find("error");
    message.kind = !message.method_node ? jsonrpc::MessageKind::response
                   : message.id         ? jsonrpc::MessageKind::request
                                        : jsonrpc::MessageKind::notification;
  }

  std::string text;
  json::Document document;
  jsonrpc::Message message;
};

inline Parsed request(const std::string& method, const std::string& params) {
  return Parsed(R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}");
}
inline Parsed notification(const std::string& method, const std::string& params) {
  return Parsed(R"({"jsonrpc":"2.0","method":")" + method + R"(","params":)" + params + "}");
}
inline Parsed response(const std::string& result) {
  return Parsed(R"({"jsonrpc":"2.0","id":1,"result":)" + result + "}");
}

/// The texts, keys with a leading '#'.
inline std::vector<std::string> texts(const std::vector<json::TextRef>& refs) {
  std::vector<std::string> out;
  for (const json::TextRef& ref : refs) {
    std::string scratch;
    out.push_back((ref.is_key ? "#" : "") + std::string(ref.text(scratch)));
  }
  return out;
}

/// Those a guardrail may change, then those it may not, with a leading '='.
inline std::vector<std::string> texts(const jsonrpc::Texts& found) {
  std::vector<std::string> out = texts(found.editable);
  for (const std::string& text : texts(found.fixed)) out.push_back("=" + text);
  return out;
}

}  // namespace tollgate::protocol::testing
