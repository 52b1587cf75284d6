#include "config/fields.hpp"
#include "config/tables.hpp"

/// The loop breaker.
namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMaxCalls = 60'000;  ///< what the counters hold

/// `key: {...}` over what the member has: a key's own section names only what differs.
template <class T, class M>
Field<T> part(std::string key, M T::*member, const Table<M>& table, std::string doc) {
  auto field = object(std::move(key), member, table, std::move(doc));
  field.read = [member, &table](Reader& reader, const Node& node, const std::string& path, T& out) {
    table.read(reader, node, path, out.*member);
  };
  return field;
}

/// mode and action, then what the detector has of its own.
template <class D>
std::vector<Field<D>> detector(std::vector<Field<D>> own) {
  const D made;
  // The members belong to the base; a table is of one type.
  const auto common = [](std::string key, auto LoopDetector::*member, std::string def,
                         std::vector<std::string> choices, std::string doc) {
    using E = typename Plain<std::remove_reference_t<decltype(D{}.*member)>>::type;
    Field<D> field;
    field.info.key = std::move(key);
    field.info.type = ValueType::enumeration;
    field.info.default_text = std::move(def);
    field.info.choices = std::move(choices);
    field.info.doc = std::move(doc);
    field.read = [member](Reader& reader, const Node& node, const std::string& path, D& out) {
      if (const auto value = read_enum<E>(reader, node, path)) out.*member = *value;
    };
    return field;
  };
  std::vector<Field<D>> fields;
  fields.push_back(common("mode", &LoopDetector::mode, std::string(name_of(made.mode)),
                          choices_of<LoopMode>(),
                          "off, observe (say what would have been done) or enforce"));
  fields.push_back(common("action", &LoopDetector::action, std::string(name_of(made.action)),
                          choices_of<LoopAction>(),
                          "What is done: an alert only, a delay of every further call, or a stop"));
  for (auto& field : own) fields.push_back(std::move(field));
  return fields;
}

const Table<LoopRepeats>& repeats_table() {
  using R = LoopRepeats;
  static const Table<R> table(
      "Repeats", "Near-identical calls.",
      detector<R>({
          integer("limit", &R::limit, 1, kMaxCalls,
                  "Repeats let through of a conversation's last turn: the same tool calls with the "
                  "same results, numbers and ids in them aside")
              .unit("calls"),
          integer("reworded_limit", &R::reworded_limit, 1, kMaxCalls,
                  "The same when the arguments of the tool calls differ in numbers and ids too")
              .unit("calls"),
          integer("standalone_limit", &R::standalone_limit, 1, kMaxCalls,
                  "Repeats let through of a call that continues no conversation: a tool call, a "
                  "first question, an embedding")
              .unit("calls"),
          duration("window", &R::window, 1s, 24h, "Repeats are counted over this time"),
      }));
  return table;
}

const Table<LoopCycles>& cycles_table() {
  using C = LoopCycles;
  static const Table<C> table(
      "Cycles", "A conversation or trace that goes round: A-B-A-B, up to four calls long.",
      detector<C>({
          integer("rounds", &C::rounds, 2, 10'000, "Rounds let through of two to four calls")
              .unit("rounds"),
          integer("paced_rounds", &C::paced_rounds, 2, 10'000,
                  "Rounds let through of a cycle in which some call waits for `pause`, as polling "
                  "does; a single call again and again counts too")
              .unit("rounds"),
      }));
  return table;
}

const Table<LoopRetries>& retries_table() {
  using R = LoopRetries;
  static const Table<R> table(
      "Retry storms", "The same bytes again and again after errors, without backoff.",
      detector<R>({
          integer("limit", &R::limit, 1, kMaxCalls, "Such retries let through").unit("calls"),
          duration("backoff", &R::backoff, 1ms, 10min,
                   "A retry that comes sooner after the error than this has no backoff"),
          duration("window", &R::window, 1s, 24h, "Retries are counted over this time"),
      }));
  return table;
}

const Table<LoopCallRate>& call_rate_table() {
  using C = LoopCallRate;
  static const Table<C> table(
      "Call rate", "Calls of a key far above what it did lately.",
      detector<C>({
          integer("factor", &C::factor, 2, 10'000, "Times the baseline that is too much"),
          integer("floor", &C::floor, 1, 100'000'000, "Calls in a window that are never too many")
              .unit("calls"),
          duration("window", &C::window, 1s, 1h,
                   "Calls are counted over this time; idle windows leave the baseline as it is"),
          integer("warm_up", &C::warm_up, 1, 1'000, "Windows with calls before there is a baseline")
              .unit("windows"),
      }));
  return table;
}

const Table<LoopTraces>& traces_table() {
  using T = LoopTraces;
  static const Table<T> table(
      "Trace limits", "How far one run may branch out.",
      detector<T>({
          integer("max_depth", &T::max_depth, 1, 1'000,
                  "Agents that may delegate to one another in a row")
              .unit("agents"),
          integer("max_calls", &T::max_calls, 1, kMaxCalls, "Calls of one trace in a window")
              .unit("calls"),
          duration("window", &T::window, 1s, 24h, "Calls are counted over this time"),
      }));
  return table;
}

}  // namespace

const Table<LoopBreaker>& loop_breaker_table() {
  using L = LoopBreaker;
  static const Table<L> table =
      Table<L>(
          "Loop breaker",
          "Stops runaway agents as what they are, long before their budget is gone "
          "(docs/loops.md).",
          {
              part("repeats", &L::repeats, repeats_table(), "Near-identical calls"),
              part("cycles", &L::cycles, cycles_table(), "A-B-A-B"),
              part("retries", &L::retries, retries_table(), "Retries without backoff"),
              part("call_rate", &L::call_rate, call_rate_table(), "Far above the key's baseline"),
              part("traces", &L::traces, traces_table(), "Depth and size of one run"),
              duration("pause", &L::pause, 1ms, 1h,
                       "A repeat that comes later than this after the last answer like it is taken "
                       "for polling, and counts for paced_rounds only"),
              duration("stop_for", &L::stop_for, 1s, 24h, "How long a stop lasts"),
              duration("delay", &L::delay, 1ms, 1min, "How long slow_down delays each call"),
              enumeration("stop_scope", &L::stop_scope,
                          "What is stopped: the narrowest of trace, conversation and repeated call "
                          "that is known, or the key"),
          })
          .shorthand("`off`, `observe` or `enforce` for all detectors",
                     [](Reader& reader, const Node& node, const std::string& path, L& out) {
                       const auto mode = read_enum<LoopMode>(reader, node, path);
                       if (!mode) return;
                       for (LoopDetector* one : {static_cast<LoopDetector*>(&out.repeats),
                                                 static_cast<LoopDetector*>(&out.cycles),
                                                 static_cast<LoopDetector*>(&out.retries),
                                                 static_cast<LoopDetector*>(&out.call_rate),
                                                 static_cast<LoopDetector*>(&out.traces)})
                         one->mode = *mode;
                     });
  return table;
}

const Table<LoopMemory>& loop_memory_table() {
  using M = LoopMemory;
  static const Table<M> table(
      "Loop memory",
      "Bounds of what the loop breaker remembers. Beyond them it forgets what it has not seen for "
      "longest.",
      {
          integer("entries", &M::entries, 1'024, 16'777'216, "Calls and conversations remembered")
              .restart(),
          integer("traces", &M::traces, 1'024, 16'777'216, "Traces remembered").restart(),
          integer("keys", &M::keys, 64, 1'048'576, "Keys remembered").restart(),
          integer("stops", &M::stops, 16, 65'536,
                  "Stops at once; the key with the most loses the one of its own that ends first")
              .restart(),
          size("read_bytes", &M::read_bytes, 1'024, 1 << 20,
               "Text of one call that is compared; of longer texts beginning and end"),
      });
  return table;
}

void resolve_loops(Reader& reader, const RootDoc& root, Snapshot& out) {
  out.loop_breaker = root.loop_breaker;
  out.loop_memory = root.loop_memory;
  // A key's own section goes over the file's, which may stand behind the keys.
  for (std::size_t i = 0; i < root.keys.size() && i < out.keys.size(); ++i) {
    const NodePtr& own = root.keys[i].loop_breaker;
    if (!own) continue;
    LoopBreaker rules = root.loop_breaker;
    loop_breaker_table().read(reader, *own, join_path(root.keys[i].path, "loop_breaker"), rules);
    out.keys[i].loop_breaker = std::make_shared<const LoopBreaker>(rules);
  }
}

Field<KeyDoc> own_loop_breaker() {
  Field<KeyDoc> field;
  field.info.key = "loop_breaker";
  field.info.type = ValueType::object;
  field.info.doc = "What differs for this key from the top-level loop_breaker";
  field.info.section = &loop_breaker_table().info();
  field.info.example = "observe";
  field.read = [](Reader&, const Node& node, const std::string&, KeyDoc& out) {
    out.loop_breaker = std::make_shared<const Node>(node);
  };
  return field;
}

}  // namespace tollgate::config
