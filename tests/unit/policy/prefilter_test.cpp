#include "domain/policy/prefilter.hpp"

#include "domain/policy/detectors.hpp"
#include "domain/policy/literals.hpp"
#include "unit/policy/policy_fixture.hpp"

namespace tollgate::domain::policy::testing {
namespace {

/// Bytes that literals and numbers are made of, and a few that they are not.
std::string telling_text(Rng& rng, std::size_t size) {
  return random_chars(rng, "0123456789skgtp-_.@%\\u04AISKBEGxohz \xE2\x80\xFF", size);
}

TEST(Prefilter, EveryCpuMarksTheSame) {
  const AnchorTables& tables = LiteralSet::instance().tables;
  const auto all = classifiers();
  Rng rng(1);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = telling_text(rng, 2 + 4 * 64);
    std::array<BlockMarks, 4> expected;
    all.front()(text.data() + 2, 4, tables, expected.data());
    for (Classify* const one : all) {
      std::array<BlockMarks, 4> marks;
      one(text.data() + 2, 4, tables, marks.data());
      for (std::size_t b = 0; b < 4; ++b) {
        ASSERT_EQ(marks[b].digits, expected[b].digits);
        ASSERT_EQ(marks[b].anchors, expected[b].anchors);
      }
    }
  }
}

TEST(Prefilter, MarksEveryLiteralAtEveryPlace) {
  const LiteralSet& literals = LiteralSet::instance();
  const auto none = [](std::size_t, bool) {};
  std::size_t count = 0;
  for (int c = 0; c < 256; ++c) {
    for (const LiteralSet::Literal& literal : literals.ending_in(static_cast<char>(c))) {
      ++count;
      for (std::size_t before = 0; before < 140; ++before) {
        for (const std::size_t after : {0u, 1u, 70u}) {
          const std::string text =
              std::string(before, 'q') + std::string(literal.text) + std::string(after, 'q');
          for (const std::size_t from : {std::size_t{0}, before / 2, before}) {
            std::vector<std::size_t> marked;
            each_candidate(text, from, true, literals.tables, none,
                           [&](std::size_t last) { marked.push_back(last); });
            ASSERT_NE(std::find(marked.begin(), marked.end(), before + literal.anchor),
                      marked.end())
                << literal.text << " at " << before << " from " << from;
          }
        }
      }
    }
  }
  EXPECT_EQ(count, key_specs().size() + kPemLiterals.size() + 3);
}

TEST(Prefilter, FindsRunsOfDigitsAsALoopDoes) {
  const AnchorTables& tables = LiteralSet::instance().tables;
  Rng rng(2);
  using Runs = std::vector<std::pair<std::size_t, bool>>;
  for (int round = 0; round < 20'000; ++round) {
    // Up to more than one batch of blocks, and mostly about one or two blocks.
    const std::size_t size = round % 100 == 0 ? below(rng, 5000) : below(rng, 150);
    const std::string text = random_chars(rng, round % 3 == 0 ? "0123456789a" : "01a ", size);
    const std::size_t from = below(rng, std::min<std::size_t>(size + 1, 70));
    for (const bool is_final : {false, true}) {
      Runs found, expected;
      each_candidate(
          text, from, is_final, tables,
          [&](std::size_t start, bool is_long) {
            found.push_back({start, is_long});
          },
          [](std::size_t) {});
      for (std::size_t i = from; i < size; ++i) {
        if (!is(text[i], kDigit) || (i > 0 && is(text[i - 1], kDigit))) continue;
        std::size_t end = i;
        while (end < size && is(text[end], kDigit)) ++end;
        const bool may_go_on = end == size && !is_final;
        if (end - i >= 2 || may_go_on) expected.push_back({i, end - i >= 4 || may_go_on});
      }
      if (size < 2000) {
        ASSERT_EQ(found, expected) << text;
        continue;
      }
      // At the border of two batches, where not all is known, a run may be taken for a longer one.
      auto next = found.begin();
      for (const auto& [start, is_long] : expected) {
        while (next != found.end() && next->first < start) ++next;
        ASSERT_TRUE(next != found.end() && next->first == start && next->second >= is_long);
      }
    }
  }
}

// What the loop is for: little is left to look at in prose and code.
TEST(Prefilter, MarksLittleElse) {
  const std::string text =
      "The committee met on Tuesday (see https://example.org/minutes) and agreed to postpone; "
      "books, looks, tasks. for (auto& task_type : this_list) { return hf.push_back(api_key_t); } "
      "{\"tool_call_id\":\"call_9\",\"type\":\"function\",\"is_public\":false,\"u\":\"caf\\u00e9\"}"
      " "
      "A well-known, part-time, long-term \"SKU\" in the USA; GET /v1/models?limit=20%20 HTTP. ";
  std::size_t marked = 0;
  each_candidate(
      text, 0, true, LiteralSet::instance().tables, [](std::size_t, bool) {},
      [&](std::size_t) { ++marked; });
  EXPECT_LE(marked, 6u) << "of " << text.size();
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
