#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "json_generator.hpp"
#include "support/property_seeds.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::json {
namespace {

using test::JsonGenerator;
using test::property_seeds;

/// The index read back as a value, to compare with another parser's.
nlohmann::ordered_json to_value(NodeRef node) {
  switch (node.kind()) {
    case Kind::object: {
      auto object = nlohmann::ordered_json::object();
      for (const NodeRef member : node.children())
        object[std::string(member.key())] = to_value(member);
      return object;
    }
    case Kind::array: {
      auto array = nlohmann::ordered_json::array();
      for (const NodeRef element : node.children()) array.push_back(to_value(element));
      return array;
    }
    case Kind::string:
      return std::string(node.text());
    case Kind::boolean:
      return *node.as_bool();
    case Kind::null:
      return nullptr;
    case Kind::number:
      return nlohmann::ordered_json::parse(node.raw());
  }
  return nullptr;
}

bool has_repeated_key(const std::string& text) {
  std::vector<std::vector<std::string>> open;
  bool repeated = false;
  const auto watch = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    if (event == nlohmann::json::parse_event_t::object_start) open.emplace_back();
    if (event == nlohmann::json::parse_event_t::object_end) open.pop_back();
    if (event == nlohmann::json::parse_event_t::key) {
      for (const std::string& key : open.back()) repeated |= key == value.get<std::string>();
      open.back().push_back(value.get<std::string>());
    }
    return true;
  };
  const bool parsed = !nlohmann::json::parse(text, watch, false).is_discarded();
  return parsed && repeated;
}

TEST(DocumentProperty, ReadsValidTextsAsAnotherParserDoes) {
  for (std::uint64_t seed = 1; seed <= property_seeds(300); ++seed) {
    JsonGenerator generator(seed);
    const std::string text = generator.text();
    Document document;
    const auto parsed = document.parse(text);
    ASSERT_TRUE(parsed.has_value()) << "seed " << seed << "\n"
                                    << text << "\n"
                                    << parsed.error().message();
    ASSERT_EQ(to_value(document.root()), nlohmann::ordered_json::parse(text)) << "seed " << seed;
  }
}

TEST(DocumentProperty, AgreesOnWhatIsValidAfterRandomDamage) {
  // Bytes that change the structure are more telling than random ones.
  constexpr std::string_view kBytes = "{}[]:,\"\\ntf0123-+.eEu \n\t\x01\x7f\xC3\xA9\xED\xFF/x";
  for (std::uint64_t seed = 1; seed <= property_seeds(300); ++seed) {
    JsonGenerator generator(seed);
    const std::string original = generator.text();
    for (int round = 0; round < 40; ++round) {
      std::string text = original;
      for (std::uint64_t n = 1 + generator.below(3); n > 0; --n) {
        const std::size_t at = generator.below(text.size() + 1);
        const char byte = kBytes[generator.below(kBytes.size())];
        switch (generator.below(3)) {
          case 0:
            text.insert(at, 1, byte);
            break;
          case 1:
            if (at < text.size()) text[at] = byte;
            break;
          default:
            if (at < text.size()) text.erase(at, 1 + generator.below(3));
            break;
        }
      }
      // nlohmann calls numbers over a double's range invalid; JSON has no range.
      static const std::regex huge("[eE][+]?[0-9]{3}");
      if (std::regex_search(text, huge)) continue;
      // nlohmann takes a leading byte order mark; nothing here makes one.
      const bool valid = nlohmann::json::accept(text) && !has_repeated_key(text);
      Document document;
      const auto parsed = document.parse(text);
      ASSERT_EQ(parsed.has_value(), valid)
          << "seed " << seed << "\n"
          << text << "\n"
          << (parsed.has_value() ? "accepted" : parsed.error().message());
    }
  }
}

TEST(DocumentProperty, ReplacingOneValueChangesOnlyThatValue) {
  for (std::uint64_t seed = 1; seed <= property_seeds(200); ++seed) {
    JsonGenerator generator(seed);
    const std::string text = generator.text();
    Document before;
    ASSERT_TRUE(before.parse(text).has_value());
    const auto index = static_cast<std::uint32_t>(generator.below(before.node_count()));
    const NodeRef target = before.ref(index);
    Splicer edits(before);
    ASSERT_TRUE(edits.replace(target, R"({"new":[true]})"));
    const std::string result = edits.str();
    ASSERT_EQ(result.size(), edits.size());
    // Bytes outside the value are the same ones.
    ASSERT_EQ(result.substr(0, target.begin_offset()), text.substr(0, target.begin_offset()));
    ASSERT_TRUE(result.ends_with(text.substr(target.end_offset())));
    Document after;
    ASSERT_TRUE(after.parse(result).has_value()) << "seed " << seed;
    ASSERT_EQ(after.ref(index).raw(), R"({"new":[true]})");
    ASSERT_EQ(after.ref(index).key_raw(), target.key_raw());
  }
}

TEST(DocumentProperty, EscapingAndUnescapingAreInverse) {
  for (std::uint64_t seed = 1; seed <= property_seeds(300); ++seed) {
    std::mt19937_64 random(seed);
    std::string text;
    for (int i = 0; i < 60; ++i) {
      static constexpr std::uint32_t kEnds[] = {0x20, 0x80, 0x800, 0xD800, 0x10000, 0x110000};
      const std::uint32_t c = static_cast<std::uint32_t>(random() % kEnds[random() % 6]);
      if (c >= 0xD800 && c < 0xE000) continue;
      std::string unit = "\\u0000";
      if (c < 0x10000) {
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\u%04x", c);
        unit = hex;
      } else {
        char hex[16];
        std::snprintf(hex, sizeof hex, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
                      0xDC00 + ((c - 0x10000) & 0x3FF));
        unit = hex;
      }
      unescape_into(text, unit);
    }
    const std::string literal = quote(text);
    Document document;
    ASSERT_TRUE(document.parse(literal).has_value()) << "seed " << seed;
    ASSERT_EQ(document.root().text(), text) << "seed " << seed;
    ASSERT_EQ(nlohmann::json::parse(literal).get<std::string>(), text) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tollgate::json
