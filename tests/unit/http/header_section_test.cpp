#include "tollgate/protocol/http/header_section.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tollgate::protocol::http {
namespace {

TEST(HeaderId, every_known_name_in_any_case) {
  for (int i = 0; i < static_cast<int>(HeaderId::other); ++i) {
    const auto id = static_cast<HeaderId>(i);
    const std::string name(header_name(id));
    ASSERT_FALSE(name.empty());
    EXPECT_EQ(header_id(name), id) << name;
    std::string upper = name;
    for (char& c : upper)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    EXPECT_EQ(header_id(upper), id) << upper;
    // One character off anywhere is another name.
    for (std::size_t at = 0; at < name.size(); ++at) {
      std::string other = name;
      other[at] = other[at] == 'q' ? 'z' : 'q';
      EXPECT_NE(header_id(other), id) << other;
      other = name;
      other[at] = '~';
      EXPECT_NE(header_id(other), id) << other;
    }
    EXPECT_EQ(header_id(name + "s"), HeaderId::other);
    // Nor is a byte that differs in the bit which tells capital letters apart, or in the high one.
    for (std::size_t at = 0; at < name.size(); ++at) {
      for (const int bit : {0x20, 0x40, 0x80}) {
        std::string other = name;
        other[at] = static_cast<char>(other[at] ^ bit);
        const bool is_capital = bit == 0x20 && other[at] >= 'A' && other[at] <= 'Z';
        EXPECT_EQ(header_id(other), is_capital ? id : HeaderId::other) << other << " " << bit;
      }
    }
  }
  EXPECT_EQ(header_id(""), HeaderId::other);
  EXPECT_EQ(header_id("x"), HeaderId::other);
  EXPECT_EQ(header_name(HeaderId::other), "");
}

TEST(HeaderSection, keeps_order_and_finds_the_first) {
  HeaderSection section;
  section.add({"A", "1", HeaderId::other});
  section.add({"Accept", "2", HeaderId::accept});
  section.add({"a", "3", HeaderId::other});
  section.add({"accept", "4", HeaderId::accept});
  EXPECT_EQ(section.fields().size(), 4u);
  EXPECT_EQ(section.value("a"), "1");
  EXPECT_EQ(section.value(HeaderId::accept), "2");
  EXPECT_EQ(section.value("ACCEPT"), "2");
  EXPECT_EQ(section.value("not a token"), "");
  EXPECT_EQ(section.find(HeaderId::other), nullptr);
  section.clear();
  EXPECT_EQ(section.find(HeaderId::accept), nullptr);
  EXPECT_EQ(section.find("a"), nullptr);
}

TEST(FieldValue, finds_every_control_character_at_every_place) {
  for (std::size_t size : {1u, 7u, 8u, 9u, 16u, 23u}) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string text(size, 'a');
        text[at] = static_cast<char>(c);
        const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        ASSERT_EQ(is_field_value(text), !control) << size << " " << at << " " << c;
      }
    }
  }
}

}  // namespace
}  // namespace tollgate::protocol::http
