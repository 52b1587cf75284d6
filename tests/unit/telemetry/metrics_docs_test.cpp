#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tollgate/telemetry/registry.hpp"

namespace tollgate::telemetry {
namespace {

/// TOLLGATE_UPDATE_DOCS=1 writes the page instead of comparing it.
TEST(MetricsDocs, ThePageIsWhatTheTableSays) {
  const std::string path = std::string(TOLLGATE_SOURCE_DIR) + "/docs/metrics.md";
  const std::string wanted = metrics_markdown();
  if (const char* update = std::getenv("TOLLGATE_UPDATE_DOCS");
      update != nullptr && update[0] == '1') {
    std::ofstream(path) << wanted;
    return;
  }
  std::ifstream in(path);
  ASSERT_TRUE(in) << path;
  std::ostringstream found;
  found << in.rdbuf();
  EXPECT_EQ(found.str(), wanted) << "run this test with TOLLGATE_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace tollgate::telemetry
