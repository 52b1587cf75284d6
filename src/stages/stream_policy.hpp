#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "stages/credentials.hpp"
#include "stages/text_scan.hpp"
#include "tollgate/domain/policy/secrets.hpp"
#include "tollgate/domain/policy/stream_guard.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/stream_event.hpp"

namespace tollgate::stages {

/// The guardrails of one event stream in a model dialect (or of another /v1 path).
///
/// Text that goes on from event to event is guarded by channel: what may still become a match is
/// held back, and goes out with a later piece of the channel or, when it ends, in an event of its
/// own made like an earlier one. Text that is complete in its event is scanned and forgotten.
///
/// Bounds: kMaxChannels channels are open at once, each holds what StreamGuard holds and shares one
/// copy of its last event, of at most kMaxTemplate bytes. A stream that wants more is ended.
/// Lifetime: of the call's stream; rules, secrets, scanner and scan outlive it. Threads: the
/// worker's.
class StreamPolicy final : public pipeline::StageState {
 public:
  static constexpr std::size_t kMaxChannels = domain::policy::StreamGuard::kMaxChannels;
  static constexpr std::size_t kMaxTemplate = 16 * 1024;

  StreamPolicy(const domain::policy::RuleSet& rules, const domain::policy::Secrets* secrets,
               domain::policy::Scanner& scanner, TextScan& scan);

  void on_event(pipeline::RequestContext& context, pipeline::StreamEvent& event);
  /// The stream is over: everything held goes out in `event.before`.
  void on_stream_end(pipeline::RequestContext& context, pipeline::StreamEvent& event);

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  /// One channel with text held back, now or a moment ago.
  struct Held {
    protocol::llm::Channel channel;
    bool read_only = false;
    bool is_over = false;     ///< its end was told; it may go on even so
    bool form_known = false;  ///< something other than white space has come
    domain::policy::TextForm form = domain::policy::TextForm::plain;
    domain::policy::SecretTail tail;
    domain::policy::EscapedSecret escaped;  ///< of tool arguments
    std::uint32_t slot = kNone;             ///< its template, while text is held
    std::uint64_t event = 0;                ///< the event that carried its last piece
    json::NodeRef node;                     ///< that piece, while the event is at hand
    std::string released;                   ///< what that piece reads now
  };
  /// An event to make others like, shared by the channels whose last piece it carried.
  struct Template {
    std::string raw;
    std::uint32_t users = 0;
  };

  static domain::policy::TextForm form_of(Held& held, std::string_view piece) noexcept;
  [[nodiscard]] bool has_secrets() const noexcept {
    return secrets_ != nullptr && !secrets_->empty();
  }
  Held* open(const protocol::llm::TextPiece& piece);
  bool forget_over();
  void drop_template(Held& held);
  void keep_template(const pipeline::StreamEvent& event);
  void replace_around(pipeline::RequestContext& context, pipeline::StreamEvent& event);
  void replace_found(pipeline::RequestContext& context, pipeline::StreamEvent& event,
                     Spelled spelled);
  void check_lines(pipeline::RequestContext& context, pipeline::StreamEvent& event);
  void check_whole(pipeline::RequestContext& context, pipeline::StreamEvent& event,
                   const protocol::llm::TextPiece& piece);
  void guard_piece(pipeline::RequestContext& context, pipeline::StreamEvent& event,
                   const protocol::llm::TextPiece& piece);
  void spill(pipeline::RequestContext& context, pipeline::StreamEvent& event, Held& held);
  void emit(pipeline::RequestContext& context, pipeline::StreamEvent& event, Held& held);
  void spill_ended(pipeline::RequestContext& context, pipeline::StreamEvent& event);
  void spill_all(pipeline::RequestContext& context, pipeline::StreamEvent& event);
  [[nodiscard]] bool is_known(std::string_view raw) const noexcept;
  void remember(std::string_view raw);

  const domain::policy::RuleSet& rules_;
  const domain::policy::Secrets* secrets_;
  TextScan& scan_;
  domain::policy::StreamGuard guard_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Held>> channels_;
  std::vector<Held*> order_;    ///< by first piece
  Held* last_ = nullptr;        ///< most streams have one channel
  std::vector<Held*> holding_;  ///< those of the event at hand that hold text
  std::vector<Template> templates_;
  std::vector<std::uint32_t> free_templates_;
  std::uint64_t event_number_ = 0;
  bool whole_changed_ = false;  ///< a whole text of the event at hand was masked
  bool wholes_clean_ = false;   ///< nothing was found in the whole texts of the last event
  bool has_shadow_ = true;  ///< the last event had shadow text, or was not looked through for it
  /// Short texts found clean that come again in every event: ids, tags, the model.
  std::vector<std::string> known_;
  std::size_t next_known_ = 0;

  domain::policy::SecretTail::Scratch tail_scratch_;
  std::string text_, json_;
  std::vector<std::uint32_t> ended_;
  json::Document scratch_;
};

}  // namespace tollgate::stages
