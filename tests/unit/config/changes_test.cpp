#include <gtest/gtest.h>

#include <set>

#include "config/tables.hpp"
#include "fake_env.hpp"

namespace tollgate::config {
namespace {

/// Where the tables say "restart": "listeners[0].address", "audit.queue", ...
void restart_paths(const SectionInfo& section, const std::string& prefix,
                   std::set<std::string>& out) {
  for (const auto& field : section.fields) {
    const std::string path = join_path(prefix, field.key);
    if (field.restart_only) out.insert(path);
    if (field.type == ValueType::object) restart_paths(*field.section, path, out);
    if (field.type == ValueType::object_list) restart_paths(*field.section, path + "[0]", out);
  }
}

SnapshotPtr load(const std::string& yaml) {
  FakeEnv env;
  for (const char* file : {"a.crt", "a.key", "b.crt", "b.key", "ca.crt"}) env.files[file] = "pem";
  const auto result = load_text(yaml, "f", env);
  EXPECT_EQ(text_of(result.problems), "") << yaml;
  return result.snapshot;
}

using Paths = std::vector<std::string>;

TEST(Changes, EverySettingMarkedRestartIsNoticed) {
  const std::string tls = "tls: {certificate_file: a.crt, private_key_file: a.key";
  const std::string base = "listeners: [{" + tls + "}}]\n";
  const std::pair<const char*, std::string> cases[] = {
      {"listeners", "listeners: [{" + tls + "}}, {address: 127.0.0.1:1}]\n"},
      {"listeners[0].name", "listeners: [{name: x, " + tls + "}}]\n"},
      {"listeners[0].address", "listeners: [{address: 127.0.0.1:1, " + tls + "}}]\n"},
      {"listeners[0].port_file", "listeners: [{port_file: x, " + tls + "}}]\n"},
      {"listeners[0].proxy_protocol",
       "listeners: [{proxy_protocol: true, trusted_proxies: ::1, " + tls + "}}]\n"},
      {"listeners[0].trusted_proxies", "listeners: [{trusted_proxies: ::1, " + tls + "}}]\n"},
      {"listeners[0].tls.client_auth",
       "listeners: [{" + tls + ", client_auth: require, client_ca_file: ca.crt}}]\n"},
      {"listeners[0].tls.allow_tls12", "listeners: [{" + tls + ", allow_tls12: false}}]\n"},
      {"admin.enabled", base + "admin: {enabled: false}\n"},
      {"admin.address", base + "admin: {address: 127.0.0.1:1}\n"},
      {"admin.port_file", base + "admin: {port_file: x}\n"},
      {"control_socket", base + "control_socket: x\n"},
      {"workers", base + "workers: 1\n"},
      {"accept_balance", base + "accept_balance: kernel\n"},
      {"audit.path", base + "audit: {path: x}\n"},
      {"audit.queue_body_bytes", base + "audit: {queue_body_bytes: 1MiB}\n"},
      {"audit.sync_full", base + "audit: {sync_full: true}\n"},
      {"routing.dns_ttl", base + "routing: {dns_ttl: 1s}\n"},
      {"routing.dns_stale", base + "routing: {dns_stale: 1s}\n"},
      {"spending.journal_sync", base + "spending: {journal_sync: 2s}\n"},
      {"log.json", base + "log: {json: false}\n"},
      {"audit.queue", base + "audit: {queue: 128}\n"},
      {"loop_memory.entries", base + "loop_memory: {entries: 2048}\n"},
      {"loop_memory.traces", base + "loop_memory: {traces: 2048}\n"},
      {"loop_memory.keys", base + "loop_memory: {keys: 128}\n"},
      {"loop_memory.stops", base + "loop_memory: {stops: 32}\n"},
  };
  const auto running = load(base);
  std::set<std::string> covered;
  for (const auto& [path, yaml] : cases) {
    covered.insert(path);
    const auto changed = restart_only_changes(*running, *load(yaml));
    EXPECT_NE(std::find(changed.begin(), changed.end(), path), changed.end()) << path;
  }
  std::set<std::string> marked;
  restart_paths(root_table().info(), "", marked);
  EXPECT_EQ(covered, marked) << "a key marked restart has no case here, or the other way round";
}

TEST(Changes, WhatAReloadAppliesIsNotNamed) {
  const std::string base =
      "listeners: [{tls: {certificate_file: a.crt, private_key_file: a.key}}]\n";
  const auto running = load(base);
  EXPECT_EQ(restart_only_changes(*running, *load(base)), Paths{});
  EXPECT_EQ(
      restart_only_changes(
          *running,
          *load(
              "listeners: [{tls: {certificate_file: b.crt, private_key_file: b.key}}]\n"
              "admin: {token: x}\nlimits: {header_count: 50}\nproviders: {demo: {kind: demo}}\n")),
      Paths{});
  EXPECT_EQ(restart_only_changes(*running, *load("version: 1\n")), Paths{"listeners[0].tls"});
}

}  // namespace
}  // namespace tollgate::config
