#include "config/fields.hpp"
#include "config/tables.hpp"

/// The price catalogue and prices in the configuration.
namespace tollgate::config {
namespace {

/// Prices are at most six decimals and 2^63 pico-USD, factors the same; so a product fits 128 bits.
constexpr std::string_view kFactorForm =
    "a decimal above 0 with at most six decimals, such as 0.5; at most 100";

std::optional<std::int64_t> read_factor(Reader& reader, const Node& node, const std::string& path) {
  constexpr std::int64_t kMost = 100'000'000;
  const auto* text = reader.scalar(node, path, kFactorForm);
  if (text == nullptr) return std::nullopt;
  const auto millionths = base::parse_usd_per_mtok(*text);
  if (millionths && millionths->value > 0 && millionths->value <= kMost) return millionths->value;
  reader.bad_value(node, path, "is not a factor", kFactorForm);
  return std::nullopt;
}

/// A member of a base document seen as one of T, so that fields are made for T.
template <class T, class M>
constexpr M T::*of(M TokenPricesDoc::*member) {
  return member;
}

template <class T>
std::vector<Field<T>> token_price_fields() {
  using P = TokenPricesDoc;
  return {
      usd_per_mtok("input", of<T>(&P::input), "Input tokens").example("2.5"),
      usd_per_mtok("output", of<T>(&P::output), "Output tokens").example("10"),
      usd_per_mtok("cache_read", of<T>(&P::cache_read),
                   "Input tokens read from the provider's cache; absent = as input")
          .example("1.25"),
      usd_per_mtok("cache_write", of<T>(&P::cache_write),
                   "Input tokens written to the cache; absent = as input")
          .example("2.5"),
      usd_per_mtok("cache_write_1h", of<T>(&P::cache_write_1h),
                   "Input tokens written to the 1-hour cache; absent = as cache_write")
          .example("5"),
      usd_per_mtok("audio_input", of<T>(&P::audio_input),
                   "Input tokens of audio; absent = not known (spending.unknown_modifier)")
          .example("40"),
      usd_per_mtok("audio_output", of<T>(&P::audio_output),
                   "Output tokens of audio; absent = not known (spending.unknown_modifier)")
          .example("80"),
      usd_per_mtok("audio_cache_read", of<T>(&P::audio_cache_read),
                   "Input tokens of audio read from the cache; absent = as audio_input")
          .example("2.5"),
  };
}

const Table<LongContextDoc>& long_context_table() {
  using L = LongContextDoc;
  static const Table<L> table = [] {
    std::vector<Field<L>> fields{
        integer("above", &L::above, 1, 1'000'000'000,
                "The prices are for the whole of a call with more input than this, caches included")
            .unit("tokens")
            .required()
            .example("200000")};
    for (auto& field : token_price_fields<L>()) fields.push_back(std::move(field));
    return Table<L>("Long context",
                    "What a call with a large input costs, all of it. The largest size that the "
                    "input is above counts.",
                    std::move(fields));
  }();
  return table;
}

template <class T>
Field<T> long_context_field() {
  return list_of("long_context", &T::long_context, long_context_table(),
                 "Other prices above a size of the input, smallest first")
      .example("[{above: 200000, input: 5, output: 15, audio_input: 80, audio_output: 160}]");
}

const Table<ModifierDoc>& modifier_table() {
  using M = ModifierDoc;
  static const Table<M> table = [] {
    Field<M> factor =
        value_field("factor", &M::factor, ValueType::factor, "",
                    "All prices of the model times this, but for those given here", read_factor)
            .example("2");
    std::vector<Field<M>> fields{std::move(factor)};
    for (auto& field : token_price_fields<M>()) fields.push_back(std::move(field));
    fields.push_back(long_context_field<M>());
    return Table<M>("Price modifiers",
                    "What a call costs that is served as something else: a factor on the "
                    "model's prices, long context included, or prices of its own.",
                    std::move(fields));
  }();
  return table;
}

std::vector<Field<PriceDoc>> price_fields() {
  using P = PriceDoc;
  auto fields = token_price_fields<P>();
  fields.push_back(long_context_field<P>());
  fields.push_back(
      map_of("modifiers", &P::modifiers, modifier_table(), is_model_name,
             "Prices by the provider's word for how it served the call: a service tier (batch, "
             "flex, priority), Anthropic's speed (fast) or inference_geo (us); several at once "
             "joined by \"+\". What is not here follows spending.unknown_modifier")
          .example("{flex: {factor: 0.5}, priority: {factor: 2}}")
          .named({"priority"}));
  fields.push_back(usd("web_search", &P::web_search,
                       "Per search that the provider ran; absent = not known "
                       "(spending.unknown_modifier)")
                       .example("0.01"));
  fields.push_back(usd("per_call", &P::per_call, "Added to every call").example("0"));
  return fields;
}

}  // namespace

const Table<PriceDoc>& price_table() {
  static const Table<PriceDoc> table("Price", "Exact decimal prices. input and output go together.",
                                     price_fields());
  return table;
}

const Table<PriceDoc>& catalogue_table() {
  static const Table<PriceDoc> table = [] {
    auto fields = price_fields();
    for (auto& field : window_fields<PriceDoc>()) fields.push_back(std::move(field));
    for (auto& field : counting_fields<PriceDoc>()) fields.push_back(std::move(field));
    return Table<PriceDoc>(
        "Catalogue rows", "Price and size of one model, in the price file and in prices.overrides.",
        std::move(fields));
  }();
  return table;
}

const Table<PricesDoc>& prices_table() {
  static const Table<PricesDoc> table(
      "Prices", "Where model prices come from.",
      {path("file", &PricesDoc::file, "The price file; its own head explains it"),
       price_sections("overrides", &PricesDoc::overrides,
                      "Rows that replace or add to the file's, by section and model; model \"*\" "
                      "stands for all others")});
  return table;
}

const Table<PriceFileDoc>& price_file_table() {
  using P = PriceFileDoc;
  static const Table<P> table(
      "Price file", "config/prices.yaml.",
      {integer("version", &P::version, 1, 1, "Always 1").required(),
       text("vintage", &P::vintage, "Day the figures were read").required(),
       text("unit", &P::unit, "Unit of the figures").required(),
       price_sections("prices", &P::prices, "Section, model, row").required()});
  return table;
}

}  // namespace tollgate::config
