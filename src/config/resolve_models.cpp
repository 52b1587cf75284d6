#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/resolve.hpp"
#include "config/tables.hpp"
#include "tollgate/config/usual_service.hpp"

namespace tollgate::config {
namespace {

/// As spoken: "an agent", "an MCP server".
std::string_view article(std::string_view kind) {
  const bool vowel = std::string_view("aeioAEIO").find(kind.front()) != std::string_view::npos;
  return vowel || kind.starts_with("MCP") ? "an" : "a";
}

/// A modifier that every call gets has to have a price.
void warn_of_default_modifier(Reader& reader, const RootDoc& root, const DeploymentDoc& from,
                              const Deployment& deployment) {
  if (!deployment.price) return;
  const std::string& name = deployment.price->default_modifier;
  if (name.empty() || root.spending.unknown_modifier == UnpricedAction::hold) return;
  std::vector<std::string> priced;
  for (const ModifierTariff& modifier : deployment.price->modifiers)
    priced.push_back(modifier.name);
  if (std::find(priced.begin(), priced.end(), name) != priced.end()) return;
  reader.warning_at(
      from.path,
      fmt::format("{} has no price for its provider's default_modifier {}; its calls are refused",
                  in_quotes(deployment.model), in_quotes(name)),
      "that modifier in its price, or spending.unknown_modifier: hold", nearest(name, priced));
}

/// By the model's name, whoever serves it; else by who does.
Tokenizer tokenizer_of(std::string_view model, const Provider& provider) {
  const auto has = [model](std::string_view part) { return model.find(part) != model.npos; };
  if (has("claude")) return Tokenizer::anthropic;
  if (has("gemini")) return Tokenizer::gemini;
  if (has("gpt-3.5") || has("gpt-4") || has("gpt-5") || has("gpt-oss")) return Tokenizer::openai;
  if (provider.kind == ProviderKind::openai) return Tokenizer::openai;
  if (provider.kind == ProviderKind::anthropic) return Tokenizer::anthropic;
  return Tokenizer::generic;
}

}  // namespace

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
    if (!is_usual_service(doc.default_modifier)) provider.default_modifier = doc.default_modifier;
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
      if (deployment.price) deployment.price->default_modifier = provider->second.default_modifier;
      deployment.context_window = from.context_window != 0 ? from.context_window
                                  : row != nullptr         ? row->context_window
                                                           : 0;
      deployment.max_output = from.max_output != 0 ? from.max_output
                              : row != nullptr     ? row->max_output
                                                   : 0;
      deployment.tokenizer = from.tokenizer ? *from.tokenizer
                             : row != nullptr && row->tokenizer
                                 ? *row->tokenizer
                                 : tokenizer_of(deployment.model, provider->second);
      if (row != nullptr) deployment.media = row->media;
      take_media(from, deployment.media);
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
      warn_of_default_modifier(reader, root, from, deployment);
      model.deployments.push_back(std::move(deployment));
    }
    std::stable_sort(
        model.deployments.begin(), model.deployments.end(),
        [](const Deployment& a, const Deployment& b) { return a.priority < b.priority; });
    out.models.emplace(alias, std::move(model));
  }
}

}  // namespace tollgate::config
