#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace tollgate::test {

/// Random JSON texts: odd white space, escapes, key spellings, depths. Always valid.
class JsonGenerator {
 public:
  explicit JsonGenerator(std::uint64_t seed) : random_(seed) {}

  std::string text() {
    out_.clear();
    space();
    value(0);
    space();
    return out_;
  }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  /// A string literal; `salt` keeps keys of one object apart.
  void string(std::uint64_t salt = 0, bool with_salt = false) {
    static constexpr const char* kPieces[] = {
        "a",
        "Z",
        "0",
        " ",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\u00e9",
        "\xC3\xA9",
        "\xE2\x82\xAC",
        "\xF0\x9F\x98\x80",
        "\\ud83d\\ude00",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "data: x",
        "\x7F",
        "\\t",
        "\\b\\f\\r",
        "\\u0000",
        "true",
        "long long text without anything to escape in it at all"};
    out_ += '"';
    if (with_salt) out_ += (salt % 2 ? "k" : "\\u006b") + std::to_string(salt) + "_";
    for (std::uint64_t n = below(6); n > 0; --n) out_ += kPieces[below(std::size(kPieces))];
    out_ += '"';
  }

 private:
  void space() {
    static constexpr const char* kSpaces[] = {"", "", "", "", " ", "\n", "\t", "\r\n  "};
    out_ += kSpaces[below(std::size(kSpaces))];
  }
  void number() {
    static constexpr const char* kNumbers[] = {
        "0",  "-0", "1", "-1", "10", "1.5", "-0.25", "1e5", "1E+5", "2.5e-3", "1234567890123456789",
        "0.1"};
    out_ += kNumbers[below(std::size(kNumbers))];
  }
  void value(int depth) {
    switch (below(depth > 5 ? 5 : 7)) {
      case 0:
        out_ += "null";
        return;
      case 1:
        out_ += below(2) ? "true" : "false";
        return;
      case 2:
        number();
        return;
      case 3:
      case 4:
        string();
        return;
      case 5:
        container('[', ']', depth);
        return;
      default:
        container('{', '}', depth);
        return;
    }
  }
  void container(char open, char close, int depth) {
    out_ += open;
    space();
    const std::uint64_t count = below(20) == 0 ? 40 : below(5);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (i > 0) {
        out_ += ',';
        space();
      }
      if (open == '{') {
        string(i, true);
        space();
        out_ += ':';
        space();
      }
      value(depth + 1);
      space();
    }
    out_ += close;
  }

  std::mt19937_64 random_;
  std::string out_;
};

}  // namespace tollgate::test
