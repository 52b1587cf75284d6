// The ledger's side of the journal.
#include "domain/budget/books.hpp"

namespace tollgate::domain::budget {

void Books::write_hold(SlotNumber number, const CallRef& call) noexcept {
  if (options.journal == nullptr) return;
  const Slot& held = slot(number);
  JournalEntry entry;
  entry.state = JournalEntry::State::held;
  entry.size = held.size;
  entry.amounts = held.amounts.amounts();
  entry.held_at_us = held.held_at;
  entry.scopes = held.names;
  entry.request_id = call.request_id;
  entry.session = call.session;
  entry.end_user = call.end_user;
  options.journal->write(number, entry);
}

void Books::rewrite_hold(SlotNumber number) noexcept {
  if (options.journal == nullptr) return;
  const Slot& held = slot(number);
  JournalEntry entry = options.journal->copy(number);
  entry.size = held.size;
  entry.amounts = held.amounts.amounts();
  entry.held_at_us = held.held_at;
  entry.scopes = held.names;
  options.journal->write(number, entry);
}

void Books::write_attempt(SlotNumber number, SlotNumber of, const Amounts& amounts) noexcept {
  if (options.journal == nullptr) return;
  JournalEntry entry = options.journal->copy(of);
  entry.is_attempt = true;
  entry.amounts = amounts;
  options.journal->write(number, entry);
}

}  // namespace tollgate::domain::budget
