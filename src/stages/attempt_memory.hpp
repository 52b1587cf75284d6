#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stages/wire.hpp"

namespace tollgate::stages {

/// What one attempt builds and reads; reused, so that an attempt allocates nothing.
struct AttemptMemory {
  AttemptRequest request;
  std::string answer_body;
  std::string answer_lines;
};

/// An AttemptMemory for as long as one attempt needs it.
class BorrowedMemory {
 public:
  using Spares = std::vector<std::unique_ptr<AttemptMemory>>;
  explicit BorrowedMemory(Spares& spares) : spares_(spares) {
    if (spares_.empty()) {
      memory_ = std::make_unique<AttemptMemory>();
    } else {
      memory_ = std::move(spares_.back());
      spares_.pop_back();
    }
  }
  ~BorrowedMemory() {
    constexpr std::size_t kKeep = 64;
    constexpr std::size_t kKeepBody = 16 * 1024;
    if (spares_.size() >= kKeep) return;
    for (std::string* const text : {&memory_->answer_body, &memory_->answer_lines}) {
      text->clear();
      if (text->capacity() > kKeepBody) text->shrink_to_fit();
    }
    memory_->request.trim(kKeepBody);
    spares_.push_back(std::move(memory_));
  }
  BorrowedMemory(const BorrowedMemory&) = delete;
  BorrowedMemory& operator=(const BorrowedMemory&) = delete;
  AttemptMemory* operator->() const noexcept { return memory_.get(); }

 private:
  Spares& spares_;
  std::unique_ptr<AttemptMemory> memory_;
};

}  // namespace tollgate::stages
