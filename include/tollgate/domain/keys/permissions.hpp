#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::keys {

/// A list of names with `*` wildcards, sorted out once so that the usual cases cost no matching:
/// `*` alone, plain names (binary search), then patterns. An empty list allows nothing.
class GlobList {
 public:
  GlobList() = default;
  explicit GlobList(const std::vector<std::string>& globs);
  /// Case-sensitive, over the whole name.
  [[nodiscard]] bool allows(std::string_view name) const noexcept;
  [[nodiscard]] bool allows_all() const noexcept { return all_; }

 private:
  bool all_ = false;
  std::vector<std::string> names_;
  std::vector<std::string> patterns_;
};

/// What a key may use. Deny by default: what no list names is not allowed. The config loader fills
/// in the documented defaults, so an empty list here means none. Threads: immutable, any.
class Permissions {
 public:
  Permissions() = default;
  explicit Permissions(const config::Allow& allow);

  /// One of config::surface_names().
  [[nodiscard]] bool surface(std::string_view name) const noexcept;
  /// A model alias: the name the agent asks for.
  [[nodiscard]] bool model(std::string_view alias) const noexcept;
  /// No model is kept from the key: what names none need not be looked into.
  [[nodiscard]] bool all_models() const noexcept { return models_.allows_all(); }
  [[nodiscard]] bool provider(std::string_view name) const noexcept;
  /// Another /v1/* path, as the route parser normalised it; `*` also matches `/`.
  [[nodiscard]] bool path(std::string_view path) const noexcept;
  /// Whether any tool of the server may be used, so that the server is reachable at all.
  [[nodiscard]] bool mcp_server(std::string_view server) const noexcept;
  [[nodiscard]] bool mcp_tool(std::string_view server, std::string_view tool) const noexcept;
  [[nodiscard]] bool a2a_agent(std::string_view agent) const noexcept;
  [[nodiscard]] bool a2a_method(std::string_view agent, std::string_view method) const noexcept;

 private:
  using ByPeer = std::map<std::string, GlobList, std::less<>>;
  /// The peer's own entry, else that of "*", which a key made at run time keeps (it also reaches
  /// peers added later); null: not reachable.
  static const GlobList* reach(const ByPeer& peers, std::string_view name) noexcept;
  GlobList surfaces_, models_, providers_, paths_;
  ByPeer mcp_, a2a_;
};

}  // namespace tollgate::domain::keys
