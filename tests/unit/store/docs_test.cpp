#include <fstream>
#include <map>
#include <set>

#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

using Tables = std::map<std::string, std::set<std::string>>;

std::string document() {
  return tollgate::testing::read_file(std::string(TOLLGATE_SOURCE_DIR) + "/docs/audit-schema.md");
}

std::vector<std::string> queries(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = text.find("```sql\n", at)) != std::string::npos;) {
    at += 7;
    out.push_back(text.substr(at, text.find("```", at) - at));
  }
  return out;
}

/// "### table" headings and the first cell of each line of their tables.
Tables documented() {
  Tables out;
  std::ifstream in(std::string(TOLLGATE_SOURCE_DIR) + "/docs/audit-schema.md");
  std::string table;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("#", 0) == 0) table = line.rfind("### ", 0) == 0 ? line.substr(4) : "";
    if (!table.empty() && line.rfind("| `", 0) == 0) {
      out[table].insert(line.substr(3, line.find('`', 3) - 3));
    }
  }
  return out;
}

class DocsTest : public StoreTest {
 protected:
  /// The present, so that "the last seven days" is not empty.
  void populate() {
    clock_.set_wall(base::SystemClock().wall().time_since_epoch().count());
    open();
    for (int i = 0; i < 30; ++i) {
      AuditRecord r = call("req_" + std::to_string(i), 1'000 + i);
      r.started = clock_.wall();
      if (i % 2 != 0) r.attempts.push_back({"a/b/c", "status", 503, 0, 900, "upstream_failed", {}});
      r.attempts.push_back({"fast/openai/gpt-x", "ok", 200, 1'000, 90'000, "", {1'000}});
      if (i % 3 == 0) r.verdicts = {{"pii", "email", "mask", "request", 2}};
      if (i % 4 == 0) r.session_id = "session-1";
      if (i % 5 == 0) r.estimated = true;
      if (i % 6 == 0) {
        r.outcome = Outcome::refused;
        r.error_code = "budget_exceeded";
        r.status = 402;
        r.deployment.clear();
      }
      put(std::move(r));
    }
    store_->note_unauthenticated("unknown", "192.0.2.1");
    ASSERT_TRUE(store_->flush_now());
  }
};

TEST_F(DocsTest, TheTenQueriesRunAndAnswer) {
  populate();
  const std::string text = document();
  const auto all = queries(text.substr(0, text.find("\n## Tables")));
  ASSERT_EQ(all.size(), 10u);
  for (const std::string& query : queries(text)) {
    const auto table = reader()->sql(query);
    ASSERT_TRUE(table.has_value()) << query << table.error().message();
    EXPECT_FALSE(table->rows.empty()) << query;
  }
  const auto agreement = *reader()->sql(all.back());
  EXPECT_EQ(std::get<std::int64_t>(agreement.rows[0][0]), 30);
  EXPECT_EQ(std::get<std::int64_t>(agreement.rows[0][3]), 0);
}

TEST_F(DocsTest, EveryTableAndColumnIsDocumentedAndNoOther) {
  open();
  sqlite3* db = nullptr;
  sqlite3_open(options_.audit.path.c_str(), &db);
  Tables actual;
  sqlite3_exec(
      db,
      "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c "
      "WHERE m.type='table' AND m.name NOT LIKE 'sqlite_%'",
      [](void* out, int, char** values, char**) {
        (*static_cast<Tables*>(out))[values[0]].insert(values[1]);
        return 0;
      },
      &actual, nullptr);
  sqlite3_close(db);
  EXPECT_EQ(actual, documented());
}

TEST_F(DocsTest, TheDocumentNamesTheCurrentVersion) {
  open();
  EXPECT_NE(document().find("(now " + std::to_string(number("PRAGMA user_version")) + ")"),
            std::string::npos);
}

}  // namespace
}  // namespace tollgate::store::testing
