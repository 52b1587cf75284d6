#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/demo/script.hpp"
#include "tollgate/json/document.hpp"

namespace tollgate::domain::demo::testing {

/// Everything a script does, in one place.
struct Played {
  int status = 0;  ///< 0: no head came
  std::string header_lines;
  std::string body;
  std::vector<std::string> pieces;
  std::vector<std::int64_t> waits_ms;  ///< of every delay
  bool waited_before_head = false;
  Action::Kind last = Action::Kind::end;

  /// The `data:` of each event.
  [[nodiscard]] std::vector<std::string> events() const {
    std::vector<std::string> out;
    std::string_view rest = body;
    while (!rest.empty()) {
      const std::size_t end = rest.find("\n\n");
      if (end == std::string_view::npos) {
        ADD_FAILURE() << "an event without its blank line: " << rest;
        break;
      }
      std::string_view event = rest.substr(0, end);
      const std::size_t data = event.find("data: ");
      if (data == std::string_view::npos) {
        ADD_FAILURE() << "an event without data: " << event;
        break;
      }
      out.emplace_back(event.substr(data + 6));
      rest.remove_prefix(end + 2);
    }
    return out;
  }
};

inline Played play(std::string_view path, std::string_view model, std::string_view body,
                   std::string_view method = "POST") {
  Request request;
  request.method = method;
  request.path_and_query = path;
  request.model = model;
  request.body = body;
  Script script(request);
  Played out;
  for (int steps = 0; steps < 3'000'000; ++steps) {
    const Action& action = script.next();
    switch (action.kind) {
      case Action::Kind::delay:
        out.waits_ms.push_back(action.wait.count());
        out.waited_before_head |= out.status == 0;
        break;
      case Action::Kind::head:
        EXPECT_EQ(out.status, 0) << "one head only";
        out.status = action.status;
        out.header_lines = action.header_lines;
        break;
      case Action::Kind::body:
        EXPECT_NE(out.status, 0) << "no body before the head";
        EXPECT_FALSE(action.body.empty());
        out.body += action.body;
        out.pieces.emplace_back(action.body);
        break;
      case Action::Kind::end:
      case Action::Kind::cut:
      case Action::Kind::hang:
        out.last = action.kind;
        EXPECT_EQ(script.next().kind, out.last) << "the last action repeats";
        return out;
    }
  }
  ADD_FAILURE() << "the script does not end";
  return out;
}

/// A parsed JSON text that keeps what it refers to.
class Json {
 public:
  explicit Json(std::string_view text) : text_(text) {
    EXPECT_TRUE(document_.parse(text_).has_value()) << "not JSON: " << text_;
  }
  [[nodiscard]] json::NodeRef root() const { return document_.root(); }
  /// "choices.0.message.content"
  [[nodiscard]] json::NodeRef at(std::string_view path) const {
    json::NodeRef node = document_.root();
    while (!path.empty()) {
      const std::size_t dot = path.find('.');
      const std::string_view step = path.substr(0, dot);
      node = step[0] >= '0' && step[0] <= '9'
                 ? node.at(static_cast<std::uint32_t>(std::stoul(std::string(step))))
                 : node.find(step);
      path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    }
    return node;
  }
  [[nodiscard]] std::string text(std::string_view path) const {
    return std::string(at(path).text());
  }
  [[nodiscard]] std::int64_t number(std::string_view path) const {
    return at(path).as_int64().value_or(-1);
  }

 private:
  std::string text_;
  json::Document document_;
};

inline const std::string kChat = R"({"model":"m","messages":[{"role":"system","content":"s"},)"
                                 R"({"role":"user","content":"Hello, toll gate!"}])";
inline std::string chat(std::string_view more = "") {
  return kChat + std::string(more) + "}";
}
inline const std::string kMessages =
    R"({"model":"m","max_tokens":100,"messages":[{"role":"user","content":"Hello, toll gate!"}])";
inline std::string messages(std::string_view more = "") {
  return kMessages + std::string(more) + "}";
}

}  // namespace tollgate::domain::demo::testing
