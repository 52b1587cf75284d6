#include <fmt/format.h>

#include <algorithm>

#include "config/resolve.hpp"
#include "config/tables.hpp"
#include "tollgate/config/usual_service.hpp"

/// Prices as they are written, to prices as they are looked up: every factor worked out, exactly.
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
      if (doc.tokenizer) row.tokenizer = doc.tokenizer;
      take_media(doc, row.media);
    }
  }
}

struct PriceField {
  const char* key;
  std::optional<base::PicoUsdPerToken> TokenPricesDoc::*said;
  std::optional<base::PicoUsdPerToken> TokenPrices::*price;
};
/// All prices that may be absent.
constexpr PriceField kOptionalPrices[] = {
    {"cache_read", &TokenPricesDoc::cache_read, &TokenPrices::cache_read},
    {"cache_write", &TokenPricesDoc::cache_write, &TokenPrices::cache_write},
    {"cache_write_1h", &TokenPricesDoc::cache_write_1h, &TokenPrices::cache_write_1h},
    {"audio_input", &TokenPricesDoc::audio_input, &TokenPrices::audio_input},
    {"audio_output", &TokenPricesDoc::audio_output, &TokenPrices::audio_output},
    {"audio_cache_read", &TokenPricesDoc::audio_cache_read, &TokenPrices::audio_cache_read},
};

bool has_token_prices(const TokenPricesDoc& doc) {
  return doc.input || doc.output ||
         std::any_of(std::begin(kOptionalPrices), std::end(kOptionalPrices),
                     [&](const PriceField& field) { return (doc.*field.said).has_value(); });
}

/// Absent where the price is not whole; that has been reported then.
std::optional<TokenPrices> make_token_prices(Reader& reader, const TokenPricesDoc& doc) {
  for (const auto& [key, value] : {std::pair("input", doc.input), std::pair("output", doc.output)})
    if (!value && reader.has(join_path(doc.path, key))) return std::nullopt;  // reported already
  if (!doc.input || !doc.output) {
    reader.problem_at(doc.path, "has only part of a price",
                      "input and output together; 0 where a model charges nothing");
    return std::nullopt;
  }
  TokenPrices prices;
  prices.input = *doc.input;
  prices.output = *doc.output;
  for (const PriceField& field : kOptionalPrices) prices.*field.price = doc.*field.said;
  if (prices.audio_cache_read && !prices.audio_input) {
    reader.problem_at(join_path(doc.path, "audio_cache_read"), "stands without audio_input",
                      "audio_input beside it");
    return std::nullopt;
  }
  return prices;
}

/// What the model has a price for must have one in every part of it: a price left out is not known
/// to be the usual one.
void check_audio(Reader& reader, const TokenPricesDoc& doc, const TokenPrices& prices,
                 const TokenPrices& model) {
  const bool is_missing =
      (model.audio_input && !prices.audio_input) || (model.audio_output && !prices.audio_output);
  if (is_missing)
    reader.problem_at(doc.path, "leaves out audio, which the model has a price for",
                      "audio_input and audio_output as the model has them");
}

template <class Doc>
void make_long_context(Reader& reader, const Doc& doc, Tariff& tariff) {
  for (const LongContextDoc& row : doc.long_context) {
    const auto prices = make_token_prices(reader, row);
    if (!prices || row.above == 0) continue;  // reported already
    if (!tariff.long_context.empty() && row.above <= tariff.long_context.back().above)
      reader.problem_at(join_path(row.path, "above"), "is not above the one before it",
                        "sizes from the smallest to the largest, each once");
    check_audio(reader, row, *prices, tariff);
    LongContextPrices& made = tariff.long_context.emplace_back();
    static_cast<TokenPrices&>(made) = *prices;
    made.above = row.above;
  }
}

/// Times `millionths` / 10^6. False when the product is no whole number of pico-USD per token.
bool scale(base::PicoUsdPerToken& price, std::int64_t millionths) {
  __extension__ typedef __int128 int128_type;
  constexpr std::int64_t kMillion = 1'000'000;
  const int128_type product = static_cast<int128_type>(price.value) * millionths;
  if (product % kMillion != 0) return false;
  const int128_type scaled = product / kMillion;
  price.value = static_cast<std::int64_t>(scaled);
  return price.value == scaled;
}

bool scale(TokenPrices& prices, std::int64_t millionths) {
  bool is_exact = scale(prices.input, millionths) && scale(prices.output, millionths);
  for (const PriceField& field : kOptionalPrices)
    if (auto& price = prices.*field.price) is_exact = is_exact && scale(*price, millionths);
  return is_exact;
}

/// The model's prices times the factor, where the modifier has none of its own.
std::optional<ModifierTariff> scaled(Reader& reader, const ModifierDoc& doc, const Price& model) {
  ModifierTariff tariff;
  static_cast<Tariff&>(tariff) = model;
  bool is_exact = true;
  const auto set = [&](base::PicoUsdPerToken& price, const auto& own) {
    if (own) {
      price = *own;
    } else {
      is_exact = scale(price, *doc.factor) && is_exact;
    }
  };
  set(tariff.input, doc.input);
  set(tariff.output, doc.output);
  for (const PriceField& field : kOptionalPrices) {
    auto& price = tariff.*field.price;
    if (price) {
      set(*price, doc.*field.said);
    } else {
      price = doc.*field.said;
    }
  }
  if (!doc.long_context.empty()) {
    tariff.long_context.clear();
    make_long_context(reader, doc, tariff);
  } else {
    for (LongContextPrices& row : tariff.long_context)
      is_exact = scale(row, *doc.factor) && is_exact;
  }
  if (is_exact) return tariff;
  reader.problem_at(join_path(doc.path, "factor"),
                    "makes prices of more than six decimals, which would have to be rounded",
                    "the prices themselves");
  return std::nullopt;
}

std::optional<ModifierTariff> make_modifier(Reader& reader, const std::string& name,
                                            const ModifierDoc& doc, const Price& model) {
  if (is_usual_service(name)) {
    reader.problem_at_key(doc.path, "is what calls are served as usually",
                          "its prices in the row itself");
    return std::nullopt;
  }
  std::optional<ModifierTariff> tariff;
  if (doc.factor) {
    tariff = scaled(reader, doc, model);
  } else if (reader.has(join_path(doc.path, "factor"))) {
    return std::nullopt;  // reported already
  } else if (!has_token_prices(doc)) {
    reader.problem_at(doc.path, "says nothing", "a factor, or input and output");
  } else if (const auto prices = make_token_prices(reader, doc)) {
    tariff.emplace();
    static_cast<TokenPrices&>(*tariff) = *prices;
    check_audio(reader, doc, *prices, model);
    if (!model.long_context.empty() && doc.long_context.empty())
      reader.problem_at(doc.path, "leaves out long_context, which the model has prices for",
                        "long_context as the model has it");
    make_long_context(reader, doc, *tariff);
  }
  if (tariff) tariff->name = name;
  return tariff;
}

}  // namespace

void take_media(const CountingDoc& doc, MediaTokens& media) {
  if (doc.image_tokens) media.image = doc.image_tokens;
  if (doc.audio_tokens_per_second) media.audio_second = doc.audio_tokens_per_second;
  if (doc.document_tokens) media.document = doc.document_tokens;
  if (doc.server_tool_tokens) media.server_tool = doc.server_tool_tokens;
}

std::optional<Price> make_price(Reader& reader, const PriceDoc& doc) {
  if (!doc.input && !doc.output && !doc.long_context.empty())
    reader.problem_at(join_path(doc.path, "long_context"), "stands without prices to change",
                      "input and output beside it");
  if (!doc.input && !doc.output && !doc.modifiers.empty())
    reader.problem_at(join_path(doc.path, "modifiers"), "stands without prices to change",
                      "input and output beside it");
  Price price;
  price.source = PriceSource::overrides;
  price.web_search = doc.web_search;
  price.per_call = doc.per_call.value_or(base::NanoUsd{});
  if (!has_token_prices(doc)) {
    if (!doc.per_call) return std::nullopt;
    return price;
  }
  const auto own = make_token_prices(reader, doc);
  if (!own) return std::nullopt;
  static_cast<TokenPrices&>(price) = *own;
  make_long_context(reader, doc, price);
  for (const auto& [name, modifier] : doc.modifiers) {
    if (auto tariff = make_modifier(reader, name, modifier, price))
      price.modifiers.push_back(std::move(*tariff));
  }
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

}  // namespace tollgate::config
