#include <algorithm>

#include "domain/policy/compiled.hpp"
#include "domain/policy/stream_guard_channel.hpp"

// Which channels of a stream there are; stream_guard.cpp decides what each may release.
namespace tollgate::domain::policy {
namespace {

constexpr std::size_t kSpares = 4;

}  // namespace

StreamGuard::StreamGuard(const RuleSet& rules, Direction direction, Scanner& scanner)
    : rules_(&rules), direction_(direction), scanner_(&scanner) {}
StreamGuard::~StreamGuard() = default;
StreamGuard::StreamGuard(StreamGuard&&) noexcept = default;
StreamGuard& StreamGuard::operator=(StreamGuard&&) noexcept = default;

bool StreamGuard::passthrough() const noexcept {
  return rules_->empty(direction_);
}

StreamGuard::Channel* StreamGuard::find(std::uint64_t key) const noexcept {
  if (last_ != nullptr && last_->key == key) return last_;
  const auto found = channels_.find(key);
  if (found == channels_.end()) return nullptr;
  return last_ = found->second.get();
}

/// Null when there are too many.
StreamGuard::Channel* StreamGuard::open(std::uint64_t key, TextForm form) {
  if (Channel* const known = find(key)) {
    // Told by now, of a text that began with white space.
    if (!known->source.differs()) known->form = form;
    return known;
  }
  if (order_.size() >= kMaxChannels) return nullptr;
  std::unique_ptr<Channel> made;
  if (spares_.empty()) {
    made = std::make_unique<Channel>();
  } else {
    made = std::move(spares_.back());
    spares_.pop_back();
    made->restart();
  }
  made->key = key;
  made->form = form;
  const CompiledRules& compiled = rules_->compiled(direction_);
  if (compiled.observed_bytes != 0) made->observed_until.assign(compiled.actions.size(), 0);
  last_ = made.get();
  order_.push_back(last_);
  channels_.emplace(key, std::move(made));
  return last_;
}

/// Forgets a finished channel. Its buffers stay as they are until another one takes them over:
/// what finish() released may point there.
void StreamGuard::retire(Channel& ch) {
  if (last_ == &ch) last_ = nullptr;
  if (bulky_ == &ch) bulky_ = nullptr;
  order_.erase(std::find(order_.begin(), order_.end(), &ch));
  const auto place = channels_.find(ch.key);
  // The newest last, so that it is the buffers of an older one that are dropped.
  if (spares_.size() >= kSpares) spares_.erase(spares_.begin());
  spares_.push_back(std::move(place->second));
  channels_.erase(place);
}

std::vector<std::uint64_t> StreamGuard::open_channels() const {
  std::vector<std::uint64_t> keys;
  for (const Channel* const ch : order_) {
    if (ch->held() != 0) keys.push_back(ch->key);
  }
  return keys;
}

std::size_t StreamGuard::held(std::uint64_t key) const noexcept {
  const Channel* const ch = find(key);
  return ch == nullptr ? 0 : ch->held();
}

}  // namespace tollgate::domain::policy
