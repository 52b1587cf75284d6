#include "tollgate/domain/keys/permissions.hpp"

#include <algorithm>
#include <functional>

#include "tollgate/base/strings.hpp"

namespace tollgate::domain::keys {

GlobList::GlobList(const std::vector<std::string>& globs) {
  for (const std::string& glob : globs) {
    if (glob.empty()) continue;
    if (glob.find_first_not_of('*') == std::string::npos) {
      all_ = true;
    } else if (glob.find('*') == std::string::npos) {
      names_.push_back(glob);
    } else {
      patterns_.push_back(glob);
    }
  }
  std::sort(names_.begin(), names_.end());
}

bool GlobList::allows(std::string_view name) const noexcept {
  if (all_ || std::binary_search(names_.begin(), names_.end(), name, std::less<>())) return true;
  return std::any_of(patterns_.begin(), patterns_.end(),
                     [&](const std::string& pattern) { return base::glob_match(pattern, name); });
}

Permissions::Permissions(const config::Allow& allow)
    : surfaces_(allow.surfaces),
      models_(allow.models),
      providers_(allow.providers),
      paths_(allow.paths) {
  for (const auto& [server, tools] : allow.mcp) mcp_.emplace(server, GlobList(tools));
  for (const auto& [agent, methods] : allow.a2a) a2a_.emplace(agent, GlobList(methods));
}

bool Permissions::surface(std::string_view name) const noexcept {
  return surfaces_.allows(name);
}
bool Permissions::model(std::string_view alias) const noexcept {
  return models_.allows(alias);
}
bool Permissions::provider(std::string_view name) const noexcept {
  return providers_.allows(name);
}
bool Permissions::path(std::string_view path) const noexcept {
  return paths_.allows(path);
}

const GlobList* Permissions::reach(const ByPeer& peers, std::string_view name) noexcept {
  auto it = peers.find(name);
  if (it == peers.end()) it = peers.find(std::string_view("*"));
  return it == peers.end() ? nullptr : &it->second;
}

bool Permissions::mcp_server(std::string_view server) const noexcept {
  return reach(mcp_, server) != nullptr;
}
bool Permissions::mcp_tool(std::string_view server, std::string_view tool) const noexcept {
  const GlobList* const tools = reach(mcp_, server);
  return tools != nullptr && tools->allows(tool);
}
bool Permissions::a2a_agent(std::string_view agent) const noexcept {
  return reach(a2a_, agent) != nullptr;
}
bool Permissions::a2a_method(std::string_view agent, std::string_view method) const noexcept {
  const GlobList* const methods = reach(a2a_, agent);
  return methods != nullptr && methods->allows(method);
}

}  // namespace tollgate::domain::keys
