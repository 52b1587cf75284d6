#include "config/fields.hpp"
#include "config/tables.hpp"

/// Budgets, rate limits, tags, and what sessions and end users get.
namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

/// Far beyond real use, and so small that a ledger's sums of some thousands of them fit in 63 bits.
constexpr std::int64_t kMaxCount = 1'000'000'000'000'000;
constexpr std::int64_t kMaxConcurrent = 1'000'000;

/// A member of the nested Budget as if it were one of BudgetDoc.
template <class M, class Parse>
Field<BudgetDoc> budget_field(std::string key, M Budget::*member, ValueType type, std::string def,
                              std::string doc, Parse parse) {
  Field<BudgetDoc> field;
  field.info.key = std::move(key);
  field.info.type = type;
  field.info.default_text = std::move(def);
  field.info.doc = std::move(doc);
  field.read = [member, parse](Reader& r, const Node& n, const std::string& path, BudgetDoc& out) {
    if (auto value = parse(r, n, path)) out.budget.*member = std::move(*value);
  };
  return field;
}

}  // namespace

const Table<BudgetDoc>& budget_table() {
  using B = BudgetDoc;
  static const Table<B> table = [] {
    const Budget made;
    auto window = budget_field(
        "window", &Budget::window, ValueType::enumeration, std::string(name_of(made.window)),
        "When the count starts anew, by the calendar of time_zone", read_enum<WindowKind>);
    window.info.choices = choices_of<WindowKind>();
    return Table<B>(
               "Budgets",
               "A cap on what calls use in a window. Its identity is scope and name: change the "
               "limit and the count goes on.",
               {budget_field("name", &Budget::name, ValueType::name, made.name,
                             "Unique among the budgets of its scope", read_name),
                usd("limit", &B::limit, "The cap on spending; nothing passes it").example("5.00"),
                count("tokens", &B::tokens, 0, kMaxCount,
                      "The cap on tokens, read and written, instead of limit")
                    .unit("tokens")
                    .example("1_000_000"),
                count("requests", &B::requests, 0, kMaxCount,
                      "The cap on the number of calls, instead of limit")
                    .unit("calls")
                    .example("10_000"),
                std::move(window),
                budget_field("time_zone", &Budget::time_zone, ValueType::name, made.time_zone,
                             "IANA name; weeks start on Monday", read_name),
                budget_field("alerts", &Budget::alert_percents, ValueType::percent_list, "[80]",
                             "Percents of the limit that raise an alert", read_percents)
                    .unit("percent")})
        .exactly_one({"limit", "tokens", "requests"});
  }();
  return table;
}

const Table<RateLimitDoc>& rate_limit_table() {
  using R = RateLimitDoc;
  static const Table<R> table =
      Table<R>("Rate limits",
               "How much may come in a sliding window, or run at once. A call over it gets 429.",
               {name("name", &R::name, "Unique among the rate limits of its scope")
                    .default_is("the unit's")
                    .example("steady"),
                count("requests", &R::requests, 1, kMaxCount, "Calls in a window")
                    .unit("calls")
                    .example("60"),
                count("tokens", &R::tokens, 1, kMaxCount,
                      "Tokens, read and written, in a window, instead of requests")
                    .unit("tokens")
                    .example("100_000"),
                count("concurrent", &R::concurrent, 1, kMaxConcurrent,
                      "Calls that run at once, instead of requests")
                    .unit("calls")
                    .example("10"),
                duration("per", &R::per, 1s, 24h, "Length of the window of requests or tokens")})
          .exactly_one({"requests", "tokens", "concurrent"});
  return table;
}

const Table<TagDoc>& tag_table() {
  static const Table<TagDoc> table("Tags",
                                   "What all keys with a tag may use together. Tags without an "
                                   "entry here are labels only.",
                                   caps_fields<TagDoc>("the keys with the tag"));
  return table;
}

const Table<EachDoc>& each_table() {
  static const Table<EachDoc> table = [] {
    auto fields = caps_fields<EachDoc>("one of them");
    fields.push_back(boolean("required", &EachDoc::required,
                             "Refuse calls that name none; otherwise those pass without"));
    return Table<EachDoc>("Each session and end user",
                          "What every session, or every end user, that calls name gets for itself.",
                          std::move(fields));
  }();
  return table;
}

}  // namespace tollgate::config
