#include <gtest/gtest.h>

#include <filesystem>

#include "support/temp_dir.hpp"
#include "tollgate/admin/http_service.hpp"

namespace tollgate::admin {
namespace {

using tollgate::testing::read_file;
using tollgate::testing::TempDir;
using tollgate::testing::write_file;
namespace fs = std::filesystem;

TEST(ControlSocket, TakesThePlaceOfAStaleOneOnly) {
  const TempDir dir;
  const std::string path = dir.file("control.sock");
  { HttpService("killed").listen_unix(path); }
  ASSERT_TRUE(fs::is_socket(path)) << "never started, so never removed";
  HttpService again("again");
  EXPECT_NO_THROW(again.listen_unix(path));

  const std::string other = dir.file("real.db");
  write_file(other, "all there is");
  EXPECT_THROW(HttpService("file").listen_unix(other), std::runtime_error);
  EXPECT_EQ(read_file(other), "all there is");
  const std::string link = dir.file("link");
  fs::create_symlink(other, link);
  EXPECT_THROW(HttpService("link").listen_unix(link), std::runtime_error);
  EXPECT_TRUE(fs::is_symlink(link));
}

TEST(ControlSocket, TheEndRemovesTheSocketAndNothingPutInItsPlace) {
  const TempDir dir;
  const std::string path = dir.file("control.sock");
  HttpService service("first");
  service.listen_unix(path);
  service.start();
  service.stop();
  EXPECT_FALSE(fs::exists(path));

  HttpService second("second");
  second.listen_unix(path);
  second.start();
  fs::remove(path);
  write_file(path, "another's");
  second.stop();
  EXPECT_EQ(read_file(path), "another's");
}

}  // namespace
}  // namespace tollgate::admin
