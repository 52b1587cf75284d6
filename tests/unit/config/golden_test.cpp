#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/tables.hpp"
#include "config/tools/docgen.hpp"
#include "fake_env.hpp"

namespace tollgate::config {
namespace {

namespace fs = std::filesystem;
const fs::path kSource = TOLLGATE_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool updating() {
  return std::getenv("TOLLGATE_UPDATE_GOLDEN") != nullptr;
}

/// Compares with a committed file, or rewrites it when TOLLGATE_UPDATE_GOLDEN is set.
void expect_golden(const fs::path& path, const std::string& actual) {
  if (updating()) std::ofstream(path, std::ios::binary) << actual;
  EXPECT_EQ(actual, read(path)) << path << ": set TOLLGATE_UPDATE_GOLDEN=1 after a wanted change";
}

FakeEnv broken_env() {
  FakeEnv env;
  env.variables["EMPTY"] = "";
  env.files = {{"prices.yaml", kPriceFile},
               {"server.crt", "certificate"},
               {"server.key", "key"},
               {"two-lines.key", "sk-canary\nsk-canary\n"},
               {"empty.key", "\n"},
               {"broken-prices.yaml", read(kSource / "tests/golden/config/broken-prices.yaml")}};
  return env;
}

TEST(Golden, EveryBrokenFileGivesExactlyItsProblems) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kSource / "tests/golden/config/bad"))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 25u);
  const FakeEnv env = broken_env();
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename().string());
    const auto result = load_text(read(file), file.filename().string(), env);
    EXPECT_FALSE(result.ok());
    EXPECT_FALSE(result.problems.empty());
    const std::string text = text_of(result.problems);
    EXPECT_EQ(text.find("canary"), std::string::npos) << "a secret in a problem";
    for (const char c : text)
      EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << "a control character";
    expect_golden(fs::path(file).replace_extension(".txt"), text);
  }
}

TEST(Golden, GeneratedFilesAreTheCommittedOnes) {
  const SectionInfo& root = root_table().info();
  const char* hint = " differs: build the target config_docs";
  EXPECT_EQ(generate_reference(root), read(kSource / "docs/configuration.md")) << hint;
  EXPECT_EQ(generate_json_schema(root), read(kSource / "config/tollgate.schema.json")) << hint;
  EXPECT_EQ(generate_example(root), read(kSource / "config/tollgate.example.yaml")) << hint;
}

FakeEnv example_env() {
  FakeEnv env;
  env.variables = {{"OPENAI_API_KEY", "sk-x"},
                   {"TOLLGATE_ADMIN_TOKEN", "admin"},
                   {"TOLLGATE_MCP_SESSION_SECRET", "a-session-secret-of-32-characters"},
                   {"TOLLGATE_WEBHOOK_SECRET", "hook"}};
  env.files["config/prices.yaml"] = read(kSource / "config/prices.yaml");
  return env;
}

TEST(Golden, TheExampleLoadsClean) {
  const auto result = load_text(read(kSource / "config/tollgate.example.yaml"),
                                "config/tollgate.example.yaml", example_env());
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(text_of(result.problems), "");
  EXPECT_EQ(text_of(result.warnings), "");
}

TEST(Golden, TheExampleLoadsWithEveryKeyInForce) {
  FakeEnv env = example_env();
  for (const char* file : {"server.crt", "server.key", "clients-ca.crt", "upstream-ca.crt",
                           "client.crt", "client.key"})
    env.files[std::string("config/") + file] = "pem";
  const auto result = load_text(generate_example(root_table().info(), true), "config/x.yaml", env);
  // Two keys exclude each other by nature; nothing else may be wrong.
  std::vector<std::string> what;
  for (const auto& problem : result.problems) what.push_back(problem.path + ": " + problem.what);
  EXPECT_EQ(what, (std::vector<std::string>{
                      "listeners[0].tls.client_ca_file: is not used while client_auth is none",
                      "guardrails.strict.rules[0]: has more than one pattern"}));
}

TEST(Golden, TheQuickstartLoadsClean) {
  const SystemEnv env;
  const auto result = load_file((kSource / "config/quickstart.yaml").string(), env);
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  EXPECT_EQ(text_of(result.warnings), "");
  const Snapshot& s = *result.snapshot;
  EXPECT_EQ(s.listeners[0].host, "127.0.0.1");
  EXPECT_EQ(s.admin.host, "127.0.0.1");
  for (const auto& [name, provider] : s.providers) EXPECT_EQ(provider.kind, ProviderKind::demo);
  ASSERT_EQ(s.keys.size(), 1u);
  // The key that the README publishes.
  const std::string key = "tg-TollgateDemoKeyPublishedOnPurposeDoNotReuse4QVTpS";
  EXPECT_EQ(base::to_hex(s.keys[0].digest), base::to_hex(base::sha256(key)));
  EXPECT_EQ(s.keys[0].last4, key.substr(key.size() - 4));
  EXPECT_EQ(s.default_guardrails, std::vector<std::string>{"default"});
  for (const auto& [alias, model] : s.models)
    for (const auto& deployment : model.deployments) {
      ASSERT_TRUE(deployment.price) << alias;
      EXPECT_EQ(deployment.price->output.value, 1'000'000'000) << "USD 1000 per million";
    }
  ASSERT_EQ(s.budgets.size(), 2u);
  EXPECT_EQ(s.budgets[0].scope, ScopeKind::agent);
  EXPECT_EQ(s.budgets[0].budget.limit.value, 5'000'000'000);
  EXPECT_EQ(s.budgets[0].budget.alert_percents, std::vector<std::uint32_t>{80});
  EXPECT_EQ(s.budgets[1].scope, ScopeKind::key);
  EXPECT_EQ(s.budgets[1].budget.limit.value, 50'000'000);
  EXPECT_EQ(s.audit.path, (kSource / "data/tollgate.db").string());
}

TEST(Golden, TheConfigurationOfTheImageLoadsClean) {
  const auto result =
      load_text(read(kSource / "docker/tollgate.yaml"), "config/tollgate.yaml", example_env());
  EXPECT_EQ(text_of(result.problems), "");
  EXPECT_EQ(text_of(result.warnings), "");
}

TEST(Golden, AFileThatIsNotThereIsOneProblem) {
  const auto result = load_file("nowhere.yaml", FakeEnv{});
  EXPECT_EQ(text_of(result.problems),
            "nowhere.yaml: cannot be read: No such file or directory; expected a readable YAML "
            "file\n");
}

}  // namespace
}  // namespace tollgate::config
