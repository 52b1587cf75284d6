#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/resolve.hpp"
#include "config/tables.hpp"

namespace tollgate::config {
namespace {

/// The largest price file read; the shipped one is about 60 KB.
constexpr std::size_t kMaxPriceFile = 16 << 20;

void overlay(Reader& reader, const PriceSections& sections, PriceSource source,
             Catalogue& catalogue) {
  for (const auto& [section, models] : sections) {
    for (const auto& [model, doc] : models) {
      CatalogueEntry& row = catalogue[section][model];
      if (auto price = make_price(reader, doc)) {
        row.price = price;
        row.price->source = source;
      }
      if (doc.context_window != 0) row.context_window = doc.context_window;
      if (doc.max_output != 0) row.max_output = doc.max_output;
    }
  }
}

/// As spoken: "an agent", "an MCP server".
std::string_view article(std::string_view kind) {
  const bool vowel = std::string_view("aeioAEIO").find(kind.front()) != std::string_view::npos;
  return vowel || kind.starts_with("MCP") ? "an" : "a";
}

}  // namespace

std::optional<Price> make_price(Reader& reader, const PriceDoc& doc) {
  const bool cached = doc.cache_read || doc.cache_write || doc.cache_write_1h;
  for (const auto& [key, value] : {std::pair("input", doc.input), std::pair("output", doc.output)})
    if (!value && reader.has(join_path(doc.path, key))) return std::nullopt;  // reported already
  if (doc.input.has_value() != doc.output.has_value() || (cached && !doc.input)) {
    reader.problem_at(doc.path, "has only part of a price",
                      "input and output together; 0 where a model charges nothing");
    return std::nullopt;
  }
  if (!doc.input && !doc.per_call) return std::nullopt;
  Price price;
  price.source = PriceSource::overrides;
  price.input = doc.input.value_or(base::PicoUsdPerToken{});
  price.output = doc.output.value_or(base::PicoUsdPerToken{});
  price.cache_read = doc.cache_read;
  price.cache_write = doc.cache_write;
  price.cache_write_1h = doc.cache_write_1h;
  price.per_call = doc.per_call.value_or(base::NanoUsd{});
  return price;
}

Catalogue load_catalogue(Reader& reader, const PricesDoc& prices) {
  Catalogue catalogue;
  const bool named = reader.has("prices.file");
  const std::string file = named ? prices.file : reader.resolve_file(prices.file);
  std::string why;
  const auto text = file.empty() ? std::nullopt : reader.env().read_file(file, kMaxPriceFile, why);
  if (text) {
    reader.note_source("prices.file", file);
    Reader price_reader(file, reader.env(), reader.secrets());
    auto parsed = parse_yaml(*text, file);
    price_reader.add_problems(std::move(parsed.problems));
    if (parsed.root) {
      PriceFileDoc doc;
      price_file_table().read(price_reader, *parsed.root, "", doc);
      overlay(price_reader, doc.prices, PriceSource::catalogue, catalogue);
    }
    reader.add_problems(price_reader.take_problems());
  } else if (named && !file.empty()) {
    reader.problem_at("prices.file", fmt::format("the price file cannot be read: {}", why),
                      "a readable price file, or \"\" for none");
  } else if (!named) {
    reader.warning_at("prices.file", fmt::format("no price file at {}", in_quotes(file)),
                      "prices.file to name one");
  }
  overlay(reader, prices.overrides, PriceSource::overrides, catalogue);
  return catalogue;
}

const CatalogueEntry* find_row(const Catalogue& catalogue, std::string_view section,
                               std::string_view model) {
  const auto models = catalogue.find(section);
  if (models == catalogue.end()) return nullptr;
  auto row = models->second.find(model);
  if (row == models->second.end()) row = models->second.find(std::string_view("*"));
  return row == models->second.end() ? nullptr : &row->second;
}

std::string default_section(ProviderKind kind, const std::string& name,
                            const Catalogue& catalogue) {
  switch (kind) {
    case ProviderKind::openai:
      return "openai";
    case ProviderKind::anthropic:
      return "anthropic";
    case ProviderKind::demo:
      return "demo";
    case ProviderKind::openai_compatible:
      return catalogue.contains(name) ? name : "";
  }
  return "";
}

void unknown_reference(Reader& reader, const std::string& path, std::string_view kind,
                       std::string_view name, const std::vector<std::string>& known) {
  reader.problem_at(path, fmt::format("unknown {} {}", kind, in_quotes(name)),
                    known.empty() ? fmt::format("{} {}; none is configured", article(kind), kind)
                    : known.size() <= 12 ? one_of(known)
                                         : fmt::format("one of the {} configured", known.size()),
                    nearest(name, known));
}

void resolve_models(Reader& reader, const RootDoc& root, const Catalogue& catalogue,
                    Snapshot& out) {
  for (auto& [name, provider] : out.providers) {
    const ProviderDoc& doc = root.providers.at(name);
    provider.catalogue = doc.catalogue;
    if (provider.catalogue.empty()) {
      provider.catalogue = default_section(provider.kind, name, catalogue);
    } else if (!catalogue.contains(provider.catalogue)) {
      unknown_reference(reader, join_path(doc.path, "catalogue"), "catalogue section",
                        provider.catalogue, keys_of(catalogue));
    }
  }
  for (const auto& [alias, doc] : root.models) {
    ModelAlias model;
    model.name = alias;
    model.guardrails = doc.guardrails;
    if (doc.deployments.empty() && reader.has(join_path(doc.path, "deployments")))
      reader.problem_at(join_path(doc.path, "deployments"), "names no deployment",
                        "provider/model, or a list of deployments");
    std::set<std::string> ids;
    for (const DeploymentDoc& from : doc.deployments) {
      Deployment deployment;
      deployment.provider = from.provider;
      deployment.model = from.model.empty() ? alias : from.model;
      deployment.priority = from.priority;
      deployment.weight = from.weight;
      deployment.id = fmt::format("{}/{}/{}", alias, from.provider, deployment.model);
      if (from.provider.empty()) continue;  // reported while reading
      const std::string provider_path = reader.has(join_path(from.path, "provider"))
                                            ? join_path(from.path, "provider")
                                            : from.path;
      const auto provider = out.providers.find(from.provider);
      if (provider == out.providers.end()) {
        unknown_reference(reader, provider_path, "provider", from.provider, keys_of(out.providers));
        continue;
      }
      if (!ids.insert(deployment.id).second)
        reader.problem_at(
            from.path,
            fmt::format("{}/{} stands twice behind this alias", from.provider, deployment.model),
            "each deployment once; use weight to send it more");
      const CatalogueEntry* row = find_row(catalogue, provider->second.catalogue, deployment.model);
      if (from.price) deployment.price = make_price(reader, *from.price);
      if (!deployment.price && row != nullptr) deployment.price = row->price;
      deployment.context_window = from.context_window != 0 ? from.context_window
                                  : row != nullptr         ? row->context_window
                                                           : 0;
      deployment.max_output = from.max_output != 0 ? from.max_output
                              : row != nullptr     ? row->max_output
                                                   : 0;
      if (!deployment.price && root.spending.unpriced == UnpricedAction::refuse) {
        std::vector<std::string> priced;
        if (const auto section = catalogue.find(provider->second.catalogue);
            section != catalogue.end())
          priced = keys_of(section->second);
        reader.warning_at(
            from.path,
            fmt::format("{} has no price; its calls are refused", in_quotes(deployment.model)),
            "a price here or in prices.overrides, or spending.unpriced: hold",
            nearest(deployment.model, priced));
      }
      model.deployments.push_back(std::move(deployment));
    }
    std::stable_sort(
        model.deployments.begin(), model.deployments.end(),
        [](const Deployment& a, const Deployment& b) { return a.priority < b.priority; });
    out.models.emplace(alias, std::move(model));
  }
}

}  // namespace tollgate::config
