// Sessions and end users: scopes that calls bring.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "domain/budget/books.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::domain::budget {
namespace {

constexpr std::string_view kDigestPrefix = "sha256:";
/// "gateway:", a kind, an owner's name of at most 128 characters, and the id.
constexpr std::size_t kMostIdBytes = 256;
/// Two go for each that comes: the table shrinks by itself after a busy day, or once
/// spending.live_scopes is lowered.
constexpr int kMostForgotten = 2;
/// Nobody takes more than so many times what is free. So one owner leaves a ninth of the table, two
/// a seventeenth, to all that have little: whoever uses all it has once a minute gives nothing up.
constexpr std::size_t kMostOfFree = 8;

std::size_t table_of(config::ScopeKind kind) noexcept {
  return kind == config::ScopeKind::session ? 0 : 1;
}

}  // namespace

void set_live_digest(std::string_view id, std::string& out) {
  out = kDigestPrefix;
  out += base::to_hex(base::sha256(id)).substr(0, 32);
}

void set_live_id(std::string_view id, std::string& out) {
  const bool is_plain =
      id.size() <= kLiveIdBytes && !id.starts_with(kDigestPrefix) &&
      std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (is_plain) {
    out = id;
  } else {
    set_live_digest(id, out);
  }
}

std::uint32_t Books::find(ScopeName name) const {
  if (const auto found = scope_numbers.find({name.kind, name.id}); found != scope_numbers.end())
    return found->second;
  if (name.kind != config::ScopeKind::session && name.kind != config::ScopeKind::end_user)
    return kNone;
  const auto& numbers = live_numbers[table_of(name.kind)];
  const auto found = numbers.find(name.id);
  return found == numbers.end() ? kNone : found->second;
}

LiveGroup& Books::group_of(std::uint32_t number, const Source& source) {
  std::unique_ptr<LiveGroup>& group = live_groups[number];
  if (!group) {
    group = std::make_unique<LiveGroup>();
    group->number = number;
    group->kind = source.kind;
    group->prefix = scopes[number].id;  // interned
    live_by_size.insert(group.get());
  }
  group->source = &source;
  return *group;
}

std::uint32_t Books::live_scope(LiveGroup& group, std::string_view id, Micros idle) {
  std::array<char, kMostIdBytes> text;
  const std::string_view owner = group.prefix;
  const std::size_t size = std::min(owner.size() + id.size(), text.size());
  std::copy_n(owner.data(), std::min(owner.size(), text.size()), text.data());
  std::copy_n(id.data(), size - owner.size(), text.data() + owner.size());
  const std::string_view name(text.data(), size);

  auto& numbers = live_numbers[table_of(group.kind)];
  if (const auto found = numbers.find(name); found != numbers.end()) {
    touch_live(found->second);
    return found->second;
  }
  int forgotten = 0;
  while (forgotten < kMostForgotten && forget_last(live_orders[0], live_idle)) ++forgotten;
  int made = 0;
  while (made < kMostForgotten && !has_place_for(group) && make_place(group, idle)) ++made;
  // Who had more than its part before others came gives up two for each, but is not locked out.
  if (live_count() >= max_live || (made == 0 && !has_place_for(group))) return kNone;

  std::uint32_t number = 0;
  if (free_scopes.empty()) {
    number = static_cast<std::uint32_t>(scopes.size());
    scopes.emplace_back();
  } else {
    number = free_scopes.back();
    free_scopes.pop_back();
  }
  Scope& scope = scopes[number];
  scope.kind = group.kind;
  scope.live = std::make_unique<Scope::Live>();
  Scope::Live& live = *scope.live;
  live.id = name;
  scope.id = live.id;
  live.life = ++live_lives;
  live.group = &group;
  live.used_at = now;
  live.place = live_orders[0].insert(live_orders[0].begin(), number);
  auto& order = group.in(LiveOrder::uncharged);
  live.place_in_group = order.insert(order.begin(), number);
  count_live(group, true);
  numbers.emplace(scope.id, number);
  fit(scope, group.source->limits);
  // Nobody can hold anything on what did not exist.
  for (Account& account : scope.accounts) account.needs_count = false;
  for (RateAccount& rate : scope.rates) rate.needs_count = false;
  return number;
}

bool Books::has_place_for(const LiveGroup& group) const noexcept {
  const std::size_t free = max_live - std::min(live_count(), max_live);
  return free > group.size / kMostOfFree;
}

bool Books::make_place(LiveGroup& group, Micros idle) {
  // Who has the most gives it up, so that nobody can fill the table at the cost of others. One of
  // several that have the most loses its own: asking takes nothing from an equal. Those in use
  // stand in an order of their own, so one look at the end of each is enough.
  LiveGroup& most = **live_by_size.rbegin();
  LiveGroup& gives = group.size == most.size ? group : most;
  return forget_last(gives.in(LiveOrder::uncharged), idle) ||
         forget_last(gives.in(LiveOrder::charged), idle) ||
         // All of the others' is in use: then what is worth nothing to the asking one itself.
         forget_last(group.in(LiveOrder::uncharged), idle);
}

void Books::count_live(LiveGroup& group, bool is_one_more) noexcept {
  auto node = live_by_size.extract(&group);
  is_one_more ? ++group.size : --group.size;
  live_by_size.insert(std::move(node));
}

void Books::move_live(std::uint32_t number, LiveOrder to) noexcept {
  Scope::Live& live = *scopes[number].live;
  auto& from = live.group->in(live.order);
  auto& order = live.group->in(to);
  order.splice(order.begin(), from, live.place_in_group);
  auto& all_from = live_orders[live.order == LiveOrder::in_use ? 1 : 0];
  auto& all = live_orders[to == LiveOrder::in_use ? 1 : 0];
  all.splice(all.begin(), all_from, live.place);
  live.order = to;
}

void Books::touch_live(std::uint32_t number) noexcept {
  const auto& live = scopes[number].live;
  if (!live) return;
  live->used_at = now;
  if (live->order != LiveOrder::in_use) move_live(number, live->order);
}

void Books::note_charged(std::uint32_t number) noexcept {
  const auto& live = scopes[number].live;
  if (!live) return;
  live->is_charged = true;
  if (live->order != LiveOrder::in_use) move_live(number, LiveOrder::charged);
}

void Books::refer_to_live(std::uint32_t number) noexcept {
  const auto& live = scopes[number].live;
  if (live && live->references++ == 0) move_live(number, LiveOrder::in_use);
}

void Books::unrefer_live(std::uint32_t number) noexcept {
  const auto& live = scopes[number].live;
  if (live && --live->references == 0) move_live(number, live->order_at_rest());
}

bool Books::has_place_in_line(const Waiter& waiter) const noexcept {
  const ScopePath& who = waiter.who_;
  return waiters.size() < options.max_waiters &&
         (who.empty() || scopes[who.scopes_[0]].calls_in_line < options.max_waiters_of_one);
}

void Books::enter_line(const Waiter& waiter) noexcept {
  const ScopePath& who = waiter.who_;
  if (!who.empty()) ++scopes[who.scopes_[0]].calls_in_line;
  for (std::size_t i = 0; i < who.size_; ++i) refer_to_live(who.scopes_[i]);
}

void Books::leave_line(const Waiter& waiter) noexcept {
  const ScopePath& who = waiter.who_;
  if (!who.empty()) --scopes[who.scopes_[0]].calls_in_line;
  for (std::size_t i = 0; i < who.size_; ++i) {
    unrefer_live(who.scopes_[i]);
    touch_live(who.scopes_[i]);  // it may ask for less now
  }
}

bool Books::forget_last(std::list<std::uint32_t>& order, Micros idle) {
  if (order.empty() || now - scopes[order.back()].live->used_at < idle) return false;
  forget_live(order.back());
  return true;
}

void Books::forget_live(std::uint32_t number) {
  Scope& scope = scopes[number];
  Scope::Live& live = *scope.live;
  live_numbers[table_of(scope.kind)].erase(scope.id);
  live_orders[live.order == LiveOrder::in_use ? 1 : 0].erase(live.place);
  live.group->in(live.order).erase(live.place_in_group);
  count_live(*live.group, false);
  scope = Scope();
  free_scopes.push_back(number);
}

void Books::fit(Scope& scope, const Limits& wanted) {
  std::erase_if(scope.accounts, [&](const Account& account) {
    return std::none_of(wanted.budgets.begin(), wanted.budgets.end(),
                        [&](const config::Budget& b) { return b.name == account.name; });
  });
  for (std::size_t i = 0; i < wanted.budgets.size(); ++i) {
    const config::Budget& budget = wanted.budgets[i];
    const Calendar& calendar = wanted.calendars[i];
    Account* account = find_account(scope, budget.name);
    const bool is_new = account == nullptr || account->is_other(budget.unit, calendar);
    if (account == nullptr) {
      account = &scope.accounts.emplace_back(calendar);
      account->name = intern(budget.name);
    }
    account->time_zone = intern(budget.time_zone);
    if (is_new) {
      account->unit = budget.unit;
      account->calendar = calendar;
      account->open_window(now);
      account->needs_count = true;
    }
    account->edit(budget.limit.value, budget.alert_percents);
  }
  std::erase_if(scope.rates, [&](const RateAccount& rate) {
    return std::none_of(wanted.rates.begin(), wanted.rates.end(), [&](const config::RateLimit& w) {
      return w.name == rate.name && w.unit == rate.unit &&
             (w.per == rate.per || w.unit == config::RateUnit::concurrent);
    });
  });
  for (const config::RateLimit& limit : wanted.rates) {
    RateAccount* rate = find_rate(scope, limit.name);
    if (rate == nullptr) {
      rate = &scope.rates.emplace_back();
      rate->name = intern(limit.name);
      rate->unit = limit.unit;
      rate->needs_count = limit.unit == config::RateUnit::concurrent;
      if (!rate->needs_count) {
        rate->per = limit.per;
        const Micros length = std::chrono::microseconds(limit.per).count();
        rate->window = std::make_unique<RateWindow>(std::max<Micros>(length, 1), mono);
      }
    }
    rate->limit = limit.limit;
  }
}

RateAccount* find_rate(Scope& scope, std::string_view name) noexcept {
  for (RateAccount& rate : scope.rates)
    if (rate.name == name) return &rate;
  return nullptr;
}

Account* find_account(Scope& scope, std::string_view name) noexcept {
  for (Account& account : scope.accounts)
    if (account.name == name) return &account;
  return nullptr;
}

std::string prefix_of(std::optional<config::ScopeKind> owner, std::string_view owner_id,
                      const KeyOwners& owners) {
  if (owner) return fmt::format("{}:{}/", config::name_of(*owner), owner_id);
  // Of the whole gateway: a session is one within the outermost owner of its key, so that nobody
  // else can name it.
  using enum config::ScopeKind;
  for (const auto& [kind, id] : {std::pair(org, owners.org), std::pair(team, owners.team),
                                 std::pair(agent, owners.agent), std::pair(key, owners.key)})
    if (!id.empty()) return fmt::format("gateway:{}:{}/", config::name_of(kind), id);
  return "gateway:/";
}

std::optional<Origin> origin_of(config::ScopeKind kind, std::string_view prefix) {
  if (!prefix.ends_with('/')) return std::nullopt;
  prefix.remove_suffix(1);
  const std::size_t colon = prefix.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view owner = prefix.substr(0, colon);
  if (owner == "gateway") return Origin(kind, std::nullopt, std::string());
  for (const auto& entry : config::names(config::ScopeKind{}))
    if (entry.name == owner)
      return Origin(kind, entry.value, std::string(prefix.substr(colon + 1)));
  return std::nullopt;
}

LiveSources Ledger::live_sources(const KeyOwners& owners) {
  using enum config::ScopeKind;
  struct Named {
    std::uint32_t number;
    config::ScopeKind kind;
    std::string_view id;
  };
  std::vector<Named> fresh;
  LiveSources out;
  {
    Books& books = *books_;
    const std::lock_guard lock(books.mutex);
    for (const auto& [origin, from] : books.origins) {
      if (!from.is_configured) continue;
      const config::ScopeKind kind = std::get<0>(origin);
      const std::optional<config::ScopeKind> owner = std::get<1>(origin);
      const std::string& owner_id = std::get<2>(origin);
      const auto is_own = [&] {
        if (!owner) return true;
        switch (*owner) {
          case key:
            return owner_id == owners.key;
          case agent:
            return owner_id == owners.agent;
          case team:
            return owner_id == owners.team;
          case org:
            return owner_id == owners.org;
          case model:
          case provider:
          case tag:
          case session:
          case end_user:
            break;
        }
        return false;
      };
      if (!is_own() || out.size_ == LiveSources::kCapacity) continue;
      const std::string prefix = prefix_of(owner, owner_id, owners);
      bool is_new = false;
      const std::uint32_t number = books.number_of({kind, prefix}, is_new);
      if (is_new) fresh.push_back({number, kind, books.scopes[number].id});
      books.group_of(number, from);
      out.sources_[out.size_++] = {kind, books.scopes[number].id, number};
      (kind == session ? out.wants_session_ : out.wants_end_user_) = true;
    }
  }
  if (books_->options.journal != nullptr)
    for (const Named& name : fresh)
      books_->options.journal->name(name.number, {name.kind, name.id});
  return out;
}

base::Result<void> Ledger::add_live(const LiveSources& sources, const CallRef& call,
                                    ScopePath& path) {
  if (sources.empty()) return {};
  Books& books = *books_;
  const Books::Time time = books.read_clocks();
  const std::lock_guard lock(books.mutex);
  books.advance(time);
  for (const auto& [kind, prefix, number] : sources.list()) {
    const auto found = books.live_groups.find(number);
    if (found == books.live_groups.end() || !found->second->source->is_configured) continue;
    LiveGroup& group = *found->second;
    const Source& source = *group.source;
    const bool is_session = source.kind == config::ScopeKind::session;
    const std::string_view id = is_session ? call.session : call.end_user;
    if (id.empty()) {
      if (!source.is_required) continue;
      return base::Error(
          base::ErrorCode::invalid_request,
          is_session
              ? "calls of this key must name their session, in the header x-session-id or "
                "traceparent"
              : "calls of this key must name their end user, in `user` or `metadata.user_id`");
    }
    if (source.limits.budgets.empty() && source.limits.rates.empty()) continue;
    if (path.size_ == ScopePath::kCapacity) break;
    const std::uint32_t live = books.live_scope(group, id);
    if (live == kNone)
      return base::Error(base::ErrorCode::overloaded,
                         "the gateway knows spending.live_scopes sessions and end users already")
          .with_retry_after(60)
          .with_limit(base::Limit::live_scopes);
    path.scopes_[path.size_++] = live;
  }
  return {};
}

std::size_t Ledger::live_scopes() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return books_->live_count();
}

}  // namespace tollgate::domain::budget
