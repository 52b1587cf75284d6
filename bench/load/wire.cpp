#include "wire.hpp"

#include <strings.h>

#include <array>
#include <charconv>

namespace tollgate::bench {

void MessageReader::compact() {
  // Usually everything is consumed; moving a tail is the rare case of a split message.
  if (at_ == buffer_.size()) {
    buffer_.clear();
  } else if (at_ > 64 * 1024) {
    buffer_.erase(0, at_);
  } else {
    return;
  }
  at_ = 0;
}

void MessageReader::read_head(std::string_view head) {
  chunked_ = closes_ = false;
  length_ = 0;
  status_ = 0;
  if (head.starts_with("HTTP/")) {
    std::from_chars(head.data() + 9, head.data() + head.size(), status_);
  }
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos && at + 2 < head.size()) {
    at += 2;
    const std::size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    const auto is = [&](std::string_view name) {
      return line.size() > name.size() && strncasecmp(line.data(), name.data(), name.size()) == 0;
    };
    if (is("content-length:")) {
      const std::size_t digit = line.find_first_of("0123456789");
      std::from_chars(line.data() + digit, line.data() + line.size(), length_);
    } else if (is("transfer-encoding:")) {
      chunked_ = line.find("chunked") != std::string_view::npos;
    } else if (is("connection:")) {
      closes_ = line.find("close") != std::string_view::npos;
    }
    at = end;
  }
}

MessageReader::State MessageReader::step() {
  if (finished_) {
    finished_ = head_done_ = false;
    compact();
  }
  if (!head_done_) {
    const std::size_t end = buffer_.find("\r\n\r\n", at_);
    if (end == std::string::npos) return State::need_more;
    read_head(std::string_view(buffer_).substr(at_, end + 2 - at_));
    at_ = end + 4;
    head_done_ = true;
  }
  if (!chunked_) {
    if (buffer_.size() - at_ < length_) return State::need_more;
    body_ = std::string_view(buffer_).substr(at_, length_);
    at_ += length_;
    finished_ = true;
    return State::done;
  }
  const std::size_t line_end = buffer_.find("\r\n", at_);
  if (line_end == std::string::npos) return State::need_more;
  std::size_t size = 0;
  if (std::from_chars(buffer_.data() + at_, buffer_.data() + line_end, size, 16).ec !=
      std::errc()) {
    return State::broken;
  }
  if (buffer_.size() < line_end + 2 + size + 2) return State::need_more;
  piece_ = std::string_view(buffer_).substr(line_end + 2, size);
  at_ = line_end + 2 + size + 2;
  if (size != 0) return State::chunk;
  body_ = {};
  finished_ = true;
  return State::done;
}

std::string prose(std::size_t bytes) {
  static constexpr std::array<std::string_view, 12> kSentences = {
      "The committee met on Tuesday and agreed to postpone the decision until the spring. ",
      "Please summarise the attached notes in three short paragraphs for a busy reader. ",
      "Each of the 27 regions reported its figures late, and two of them reported twice. ",
      "Note: the second column holds the median, not the mean, of all measurements taken. ",
      "She walked along the river, counting the boats, and thought about the long winter. ",
      "A function that does one thing well is easier to test than one that does several. ",
      "At 9:45 the train left platform 3 with most of its seats empty and its doors cold. ",
      "We compared four methods on the same data; the simplest one won by a clear margin. ",
      "The recipe asks for 250 grams of flour, a pinch of salt and a good deal of patience. ",
      "Nobody had expected the bridge to open early, least of all the people who built it. ",
      "If the sensor reads below the threshold, raise the alarm and wait for an answer. ",
      "Their letters, kept in a wooden box, describe the harbour as it was in 1893. "};
  std::string out;
  out.reserve(bytes + 100);
  for (std::size_t i = 0; out.size() < bytes; ++i) out += kSentences[i % kSentences.size()];
  out.resize(bytes);
  return out;
}

std::string request_body(std::string_view model, std::size_t bytes, bool stream,
                         std::uint64_t interval_us) {
  std::string head = R"({"model":")";
  head.append(model).append(stream ? R"(","stream":true)" : R"(")");
  if (interval_us > 0) {
    head += R"(,"metadata":{"interval_us":")" + std::to_string(interval_us) + R"("})";
  }
  head +=
      R"(,"temperature":0.2,"max_tokens":256,"messages":[{"role":"system","content":"You are a careful assistant."},{"role":"user","content":")";
  const std::string tail = R"("}]})";
  const std::size_t fixed = head.size() + tail.size();
  return head + prose(bytes > fixed ? bytes - fixed : 16) + tail;
}

}  // namespace tollgate::bench
