#include "tollgate/json/writer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tollgate::json {
namespace {

TEST(Escape, TableOfCases) {
  struct Case {
    std::string_view text, json;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"", R"("")"},
      {"plain", R"("plain")"},
      {"q\"b\\s/", R"("q\"b\\s/")"},
      {"\b\f\n\r\t", R"("\b\f\n\r\t")"},
      {"\x01\x1f\0"sv, R"("\u0001\u001f\u0000")"},
      {"\x7f", "\"\x7f\""},
      {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
      {"a\xff"
       "b",
       "\"a\xEF\xBF\xBD"
       "b\""},
      {"\xC3", "\"\xEF\xBF\xBD\""},
      {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"\xC0\x80x", "\"\xEF\xBF\xBD\xEF\xBF\xBDx\""},
  };
  for (const Case& c : cases) EXPECT_EQ(quote(c.text), c.json);
}

TEST(Writer, PutsTheCommas) {
  std::string out;
  Writer w(out);
  w.begin_object().member("a", "x\n").member("b", -5).key("c").begin_array();
  w.integer(INT64_MIN).boolean(true).null().begin_object().end_object().begin_array().end_array();
  w.end_array().key("d").raw("1.50").key("e").string("").end_object();
  EXPECT_EQ(out,
            R"({"a":"x\n","b":-5,"c":[-9223372036854775808,true,null,{},[]],"d":1.50,"e":""})");
}

}  // namespace
}  // namespace tollgate::json
