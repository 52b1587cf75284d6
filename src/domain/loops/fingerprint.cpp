#include "tollgate/domain/loops/fingerprint.hpp"

#include <algorithm>
#include <array>
#include <random>

#include "domain/loops/text_hash.hpp"
#include "tollgate/protocol/a2a/message.hpp"
#include "tollgate/protocol/mcp/message.hpp"

namespace tollgate::domain::loops {
namespace {

using json::NodeRef;
using protocol::llm::RequestKind;

/// Of the first user message, which tells conversations apart.
constexpr std::size_t kTopicBytes = 2'048;
/// Items of a body's list that can belong to its last turn: with more results of parallel tool
/// calls than that, the last ones stand for all.
constexpr std::size_t kLastItems = 16;
/// Shares of what may be read are multiples of this, so that a number that got longer elsewhere
/// seldom moves where reading ends.
constexpr std::size_t kShareStep = 256;

std::uint64_t process_seed() {
  static const std::uint64_t seed = [] {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }();
  return seed;
}

/// A hash that is never the 0 of "none".
std::uint64_t some(std::uint64_t hash) noexcept {
  return hash == 0 ? 1 : hash;
}

/// Of all bytes: what tells two calls apart often stands between a long system prompt and long
/// definitions of tools.
std::uint64_t exact_hash(std::string_view body) noexcept {
  return some(hash_bytes(body, process_seed()));
}

std::string_view inside_quotes(std::string_view raw) noexcept {
  return raw.substr(1, raw.size() - 2);
}

bool ends_with(NodeRef text, std::string_view suffix) noexcept {
  return text.is_string() && inside_quotes(text.raw()).ends_with(suffix);
}

/// Members that differ from round to round and say nothing: ids, marks for caches, proofs.
bool is_noise(NodeRef member) noexcept {
  static constexpr std::array<std::string_view, 10> kNoise{
      "\"id\"",        "\"call_id\"",          "\"tool_call_id\"", "\"tool_use_id\"",
      "\"messageId\"", "\"cache_control\"",    "\"signature\"",    "\"encrypted_content\"",
      "\"metadata\"",  "\"provider_metadata\""};
  const std::string_view key = member.key_raw();
  return std::find(kNoise.begin(), kNoise.end(), key) != kNoise.end();
}

/// The last items of a list, in order.
struct LastItems {
  explicit LastItems(NodeRef list) noexcept {
    std::size_t seen = 0;
    for (const NodeRef item : list.children()) ring[seen++ % kLastItems] = item;
    size = std::min(seen, kLastItems);
    if (seen > kLastItems)
      std::rotate(ring.begin(), ring.begin() + static_cast<std::ptrdiff_t>(seen % kLastItems),
                  ring.end());
  }
  std::array<NodeRef, kLastItems> ring;
  std::size_t size = 0;
};

/// A TextHash with what is left of the bytes that may be read.
class Reading {
 public:
  Reading(std::uint64_t what, std::size_t bytes) noexcept
      : hash_(mix(process_seed(), what)), left_(bytes) {}

  void text(std::string_view raw, Fold fold) noexcept {
    const bool is_whole = raw.size() <= left_;
    left_ -= std::min(left_, hash_.add(raw, fold, left_));
    // Of what is not read the length counts where nothing folded makes it vary by itself.
    if (!is_whole && fold != Fold::all) hash_.mark(raw.size());
  }
  /// One of `unread` texts, of which each may be longer than all that may be read: it gets its
  /// share, and leaves what it does not need to the others, so that none hides another.
  void walk_one_of(std::size_t unread, NodeRef node, Fold fold) noexcept {
    std::size_t share = left_ / unread;
    if (share > kShareStep) share -= share % kShareStep;
    const std::size_t others = left_ - share;
    left_ = share;
    walk(node, fold);
    left_ += others;
  }
  /// Every string and number below `node`, noise left out.
  void walk(NodeRef node, Fold fold) noexcept {
    if (node.is_string()) {
      text(inside_quotes(node.raw()), fold);
    } else if (node.is_array()) {
      walk_list(node, fold);
    } else if (node.is_object()) {
      for (const NodeRef child : node.children())
        if (left_ != 0 && !is_noise(child)) walk(child, fold);
    } else if (node) {
      text(node.raw(), fold);
    }
    hash_.mark(1);
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return hash_.value(); }

 private:
  /// The last elements, latest first; then, as far as there is room, those before.
  void walk_list(NodeRef list, Fold fold) noexcept {
    const LastItems items(list);
    for (std::size_t i = items.size; i > 0; --i) walk_one_of(i, items.ring[i - 1], fold);
    std::size_t before = list.size() - items.size;
    if (before == 0) return;
    for (const NodeRef child : list.children()) {
      if (before-- == 0 || left_ == 0) break;
      walk(child, fold);
    }
  }

  TextHash hash_;
  std::size_t left_;
};

bool is_tool_use(NodeRef block) noexcept {
  return ends_with(block.find("type"), "tool_use");
}

bool is_assistant(NodeRef item) noexcept {
  const NodeRef role = item.find("role");
  if (role) return role.text_is("assistant") || role.text_is("model");
  const NodeRef type = item.find("type");
  return ends_with(type, "_call") || type.text_is("reasoning");
}

bool is_system(NodeRef item) noexcept {
  const NodeRef role = item.find("role");
  return role.text_is("system") || role.text_is("developer");
}

bool is_tool_result(NodeRef item) noexcept {
  const NodeRef role = item.find("role");
  if (role.text_is("tool") || role.text_is("function")) return true;
  if (!role) return ends_with(item.find("type"), "_output");
  const NodeRef content = item.find("content");
  if (!content.is_array()) return false;
  for (const NodeRef block : content.children())
    if (ends_with(block.find("type"), "tool_result")) return true;
  return false;
}

/// Calls `each(name, arguments)` for every tool call that an item of the model's makes.
template <class Each>
void for_each_tool_call(NodeRef item, Each each) {
  if (!item.find("role") && ends_with(item.find("type"), "_call")) {
    const NodeRef arguments = item.find("arguments");
    each(item.find("name"), arguments ? arguments : item.find("input"));
  }
  for (const NodeRef call : item.find("tool_calls").children()) {
    NodeRef function = call.find("function");
    if (!function) function = call.find("custom");
    const NodeRef arguments = function.find("arguments");
    each(function.find("name"), arguments ? arguments : function.find("input"));
  }
  if (const NodeRef call = item.find("function_call"))
    each(call.find("name"), call.find("arguments"));
  const NodeRef content = item.find("content");
  if (!content.is_array()) return;
  for (const NodeRef block : content.children())
    if (is_tool_use(block)) each(block.find("name"), block.find("input"));
}

bool makes_tool_calls(NodeRef item) {
  bool any = false;
  for_each_tool_call(item, [&](NodeRef, NodeRef) { any = true; });
  return any;
}

/// The first user message; nothing for a history that was cut, which has no beginning any more.
NodeRef beginning_of(NodeRef list) noexcept {
  std::size_t seen = 0;
  for (const NodeRef item : list.children()) {
    if (++seen > 4) break;
    if (is_system(item)) continue;
    return is_assistant(item) || is_tool_result(item) ? NodeRef() : item;
  }
  return {};
}

/// What tells one conversation from another: how it began. Two tasks that differ in a number are
/// two conversations.
std::uint64_t topic_of(NodeRef beginning) noexcept {
  Reading topic(2, kTopicBytes);
  if (beginning) topic.walk(beginning.find("content"), Fold::times);
  return topic.value();
}

/// Where the history of a call is that goes on with one.
enum class History : std::uint8_t {
  in_body,
  under_id,  ///< kept by the provider under an id that stays
  chained,   ///< kept by the provider, with a new id for every answer
};

/// Reads `messages` or `input` into `out`.
void read_list(NodeRef list, std::uint64_t end_user, History history, std::size_t read_bytes,
               Fingerprint& out) {
  const LastItems items(list);
  std::size_t end = items.size;
  // An answer begun by the agent is no turn.
  while (end > 0 && is_assistant(items.ring[end - 1]) && !makes_tool_calls(items.ring[end - 1]))
    --end;
  std::size_t last = end;  // one past the model's last words
  while (last > 0 && !is_assistant(items.ring[last - 1])) --last;
  std::size_t first = last;
  while (first > 0 && is_assistant(items.ring[first - 1])) --first;

  Reading told(3, read_bytes);
  bool has_results = false;
  for (std::size_t i = end; i > last; --i) {
    const NodeRef item = items.ring[i - 1];
    if (is_system(item)) continue;
    const bool is_result = is_tool_result(item);
    has_results = has_results || is_result;
    const NodeRef content = item.find("content");
    told.walk_one_of(i - last, content ? content : item.find("output"),
                     is_result ? Fold::all : Fold::times);
  }
  out.turns = list.size();
  // Of a history kept elsewhere what the model did is seldom in the body: results alone, which read
  // alike whatever was done ("ok"), say too little of whether it goes round.
  if (last == 0 && (!has_results || history != History::in_body)) {
    out.near = some(mix(told.value(), end_user));
    return;
  }
  bool has_calls = false;
  Reading as_is(4, read_bytes / 2), folded(5, read_bytes / 2);
  for (std::size_t i = first; i < last; ++i) {
    for_each_tool_call(items.ring[i], [&](NodeRef name, NodeRef arguments) {
      has_calls = true;
      as_is.walk(name, Fold::none);
      as_is.text(arguments.raw(), Fold::none);
      folded.walk(name, Fold::none);
      folded.text(arguments.raw(), Fold::all);
    });
  }
  if (has_calls) {
    out.reworded = some(mix(told.value(), folded.value()));
  } else {
    for (std::size_t i = first; i < last; ++i) as_is.walk(items.ring[i].find("content"), Fold::all);
  }
  out.near = some(mix(told.value(), as_is.value()));
  // Nothing tells the conversations of a chain apart.
  if (history == History::chained) return;
  const NodeRef beginning = beginning_of(list);
  out.conversation = some(mix(topic_of(beginning), end_user));
  // Examples written as a conversation begin, and end in a user's words.
  out.may_be_cut = !beginning || (end > 0 && is_tool_result(items.ring[end - 1]));
  if (history == History::under_id) out.turns = kUnknownTurns;
}

}  // namespace

std::uint64_t hash_of_name(std::string_view name) noexcept {
  return name.empty() ? 0 : some(hash_bytes(name, process_seed()));
}

Fingerprint fingerprint_of_bytes(std::string_view method, std::string_view path,
                                 std::string_view body) noexcept {
  Fingerprint out;
  out.exact = some(mix(mix(hash_of_name(method), hash_of_name(path)), exact_hash(body)));
  return out;
}

Fingerprint fingerprint_of(const protocol::llm::GovernedFields& fields, const json::Document& body,
                           std::size_t read_bytes) {
  Fingerprint out;
  out.exact = exact_hash(body.text());
  if (fields.kind == RequestKind::count_tokens) return out;
  out.kind = CallKind::model;
  const NodeRef root = body.root();
  std::uint64_t end_user = hash_of_name(fields.end_user);
  const NodeRef messages = root.find("messages"), input = root.find("input");
  if (fields.kind != RequestKind::embeddings) {
    const NodeRef conversation = root.find("conversation");
    History history = History::in_body;
    if (conversation.is_string() || conversation.is_object())
      history = History::under_id;
    else if (root.find("previous_response_id").is_string())
      history = History::chained;
    if (conversation) end_user = mix(end_user, hash_bytes(conversation.raw(), process_seed()));
    const NodeRef list = messages.is_array() ? messages : input;
    if (list.is_array()) {
      read_list(list, end_user, history, read_bytes, out);
      return out;
    }
  }
  // A text alone: of a path nobody knows the whole body.
  NodeRef text = input ? input : root.find("prompt");
  if (!text) text = root;
  Reading reading(6, read_bytes);
  reading.walk(text, Fold::times);
  out.near = some(mix(reading.value(), end_user));
  out.turns = 1;
  return out;
}

Fingerprint fingerprint_of_mcp(const protocol::jsonrpc::Message& message, std::string_view target,
                               const json::Document& body, std::size_t read_bytes) {
  Fingerprint out;
  out.exact = exact_hash(body.text());
  const auto call = protocol::mcp::classify(message);
  if (!call || !protocol::mcp::is_billable(*call)) return out;
  out.kind = CallKind::tool;
  Reading reading(mix(7, hash_of_name(target)), read_bytes);
  reading.text(call->subject, Fold::none);
  reading.text(message.params.find("arguments").raw(), Fold::none);
  out.near = some(reading.value());
  out.turns = 1;
  return out;
}

Fingerprint fingerprint_of_a2a(const protocol::jsonrpc::Message& message, std::string_view target,
                               const json::Document& body, std::size_t read_bytes) {
  Fingerprint out;
  out.exact = exact_hash(body.text());
  const protocol::a2a::Call call = protocol::a2a::classify(message);
  if (!call.billable) return out;
  out.kind = CallKind::agent;
  const std::uint64_t to = hash_of_name(target);
  const NodeRef parts = message.params.find("message").find("parts");
  Reading near(mix(8, to), read_bytes), folded(mix(9, to), read_bytes);
  near.text(parts.raw(), Fold::times);
  out.near = some(near.value());
  const std::string_view context = call.context_id.empty() ? call.task_id : call.context_id;
  if (context.empty()) {
    out.turns = 1;
    return out;
  }
  folded.text(parts.raw(), Fold::all);
  out.reworded = some(folded.value());
  out.conversation = some(mix(to, hash_of_name(context)));
  out.turns = kUnknownTurns;
  return out;
}

}  // namespace tollgate::domain::loops
