#pragma once

#include <set>
#include <string>
#include <utility>

#include "config/document.hpp"
#include "config/reader.hpp"

/// From documents to the Snapshot: names become references that exist, defaults that depend on
/// other values are filled in, and everything one key cannot tell alone is checked.
namespace tollgate::config {

/// The catalogue after overrides: section -> model -> row.
using Catalogue =
    std::map<std::string, std::map<std::string, CatalogueEntry, std::less<>>, std::less<>>;

/// Reads the price file of `root` (problems carry that file's name) and lays the overrides on top.
[[nodiscard]] Catalogue load_catalogue(Reader& reader, const PricesDoc& prices);
/// The row of a model: its own, else the section's "*"; null when there is none.
[[nodiscard]] const CatalogueEntry* find_row(const Catalogue& catalogue, std::string_view section,
                                             std::string_view model);
/// Absent, with a problem at `doc.path` when only half a price is given.
[[nodiscard]] std::optional<Price> make_price(Reader& reader, const PriceDoc& doc);
/// What is said there replaces what was known.
void take_media(const CountingDoc& doc, MediaTokens& media);

/// Everything below adds to `out`; problems and warnings go to the reader.
void resolve_edge(Reader& reader, const RootDoc& root, Snapshot& out);
void resolve_upstreams(Reader& reader, const RootDoc& root, Snapshot& out);
void resolve_models(Reader& reader, const RootDoc& root, const Catalogue& catalogue, Snapshot& out);
void resolve_guardrails(Reader& reader, const RootDoc& root, Snapshot& out);
/// Budgets, rate limits, tags, and what sessions and end users get. Before resolve_access, which
/// looks at tags.
void resolve_budgets(Reader& reader, const RootDoc& root, Snapshot& out);
void resolve_access(Reader& reader, const RootDoc& root, Snapshot& out);
/// After resolve_access, whose keys it completes.
void resolve_loops(Reader& reader, const RootDoc& root, Snapshot& out);

/// Tells which keys run into some budget in US dollars, whatever they call.
class SpendingCaps {
 public:
  explicit SpendingCaps(const Snapshot& snapshot);
  /// @param key  with the owners it has by its agent and team
  [[nodiscard]] bool bound(const Key& key) const;

 private:
  std::set<std::pair<ScopeKind, std::string>> scopes_;
  bool everything_ = false;
};

/// Where connections to `url` go and by which way; the pool's limits are defaults.
[[nodiscard]] Origin origin_of(Reader& reader, const Url& url, const UpstreamTls& tls,
                               const ProxyChoice& proxy);
/// The egress proxy the environment asks for: HTTPS_PROXY (https), http_proxy (http), ALL_PROXY,
/// lower case first; never for loopback nor for what NO_PROXY lists. HTTP_PROXY in capitals is not
/// read, as in curl. An unusable variable is a problem: going around a proxy silently is worse.
[[nodiscard]] std::optional<Url> proxy_from_environment(Reader& reader, const Url& target);
/// NO_PROXY: "*", host suffixes with or without a leading dot, addresses, CIDRs, each with an
/// optional port.
[[nodiscard]] bool no_proxy_matches(std::string_view no_proxy, std::string_view host,
                                    std::uint16_t port);

/// Section of the catalogue for a provider; "" when none applies.
[[nodiscard]] std::string default_section(ProviderKind kind, const std::string& name,
                                          const Catalogue& catalogue);

template <class T>
[[nodiscard]] std::vector<std::string> keys_of(const NameMap<T>& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

/// Notes a reference to a name that does not exist.
void unknown_reference(Reader& reader, const std::string& path, std::string_view kind,
                       std::string_view name, const std::vector<std::string>& known);

}  // namespace tollgate::config
