#include "tollgate/domain/keys/credential.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace tollgate::domain::keys {
namespace {

using Field = CredentialField;

struct Case {
  const char* what;
  std::vector<std::pair<Field, std::string_view>> fields;
  std::string_view query;
  const char* expect;  ///< null: refused
};

const Case kCases[] = {
    {"nothing", {}, "", nullptr},
    {"bearer", {{Field::authorization, "Bearer abc"}}, "", "abc"},
    {"scheme in any case", {{Field::authorization, "bEARER abc"}}, "", "abc"},
    {"several spaces", {{Field::authorization, "Bearer \t abc "}}, "", "abc"},
    {"x-api-key", {{Field::x_api_key, "abc"}}, "", "abc"},
    {"api-key", {{Field::api_key, "abc"}}, "", "abc"},
    {"x-goog-api-key", {{Field::x_goog_api_key, " abc\t"}}, "", "abc"},
    {"query", {}, "key=abc", "abc"},
    {"query among others", {}, "alt=sse&key=abc&x=1", "abc"},
    {"query, other names", {}, "keys=abc&xkey=abc&Key=abc&key", nullptr},
    {"query, empty", {}, "key=&key=abc", "abc"},
    {"query, empty pairs", {}, "&&key=abc&&", "abc"},
    {"query is not decoded", {}, "key=%61bc", "%61bc"},
    {"query value with =", {}, "key=a=b", "a=b"},
    {"basic", {{Field::authorization, "Basic dXNlcjpwdw=="}}, "", nullptr},
    {"basic next to a key",
     {{Field::authorization, "Basic dXNlcjpwdw=="}, {Field::x_api_key, "abc"}},
     "",
     nullptr},
    {"key next to basic",
     {{Field::x_api_key, "abc"}, {Field::authorization, "Basic dXNlcjpwdw=="}},
     "",
     nullptr},
    {"bare key in Authorization", {{Field::authorization, "abc"}}, "", nullptr},
    {"scheme glued on", {{Field::authorization, "Bearerabc"}}, "", nullptr},
    {"scheme only", {{Field::authorization, "Bearer"}}, "", nullptr},
    {"scheme only, next to a key",
     {{Field::authorization, "Bearer "}, {Field::x_api_key, "abc"}},
     "",
     "abc"},
    {"empty fields count as absent",
     {{Field::x_api_key, ""}, {Field::api_key, "  "}, {Field::authorization, "Bearer abc"}},
     "key=",
     "abc"},
    {"the same everywhere",
     {{Field::authorization, "Bearer abc"}, {Field::x_api_key, "abc"}, {Field::api_key, "abc"}},
     "key=abc",
     "abc"},
    {"two different headers",
     {{Field::authorization, "Bearer abc"}, {Field::x_api_key, "abd"}},
     "",
     nullptr},
    {"two different, one longer",
     {{Field::authorization, "Bearer abc"}, {Field::x_api_key, "abcd"}},
     "",
     nullptr},
    {"header and query differ", {{Field::x_goog_api_key, "abc"}}, "key=xyz", nullptr},
    {"the same header twice, different",
     {{Field::x_api_key, "abc"}, {Field::x_api_key, "xyz"}},
     "",
     nullptr},
    {"query twice, different", {}, "key=abc&key=xyz", nullptr},
    {"two bearers joined by a proxy",
     {{Field::authorization, "Bearer abc, Bearer xyz"}},
     "",
     "abc, Bearer xyz"},  // no key looks like that
    {"third agrees with the first",
     {{Field::x_api_key, "abc"}, {Field::api_key, "xyz"}, {Field::x_goog_api_key, "abc"}},
     "",
     nullptr},
};

TEST(Credential, Table) {
  for (const Case& c : kCases) {
    CredentialCollector collector;
    for (const auto& [field, value] : c.fields) collector.add(field, value);
    collector.add_query(c.query);
    const auto found = collector.finish();
    if (c.expect == nullptr) {
      ASSERT_TRUE(found.has_error()) << c.what;
      EXPECT_EQ(found.error().code(), base::ErrorCode::invalid_api_key) << c.what;
      for (const auto& [field, value] : c.fields) {
        if (value.size() > 7) {
          EXPECT_EQ(found.error().message().find(value), std::string::npos) << c.what;
        }
      }
    } else {
      ASSERT_TRUE(found.has_value()) << c.what;
      EXPECT_EQ(*found, c.expect) << c.what;
    }
  }
}

}  // namespace
}  // namespace tollgate::domain::keys
