#include "tollgate/domain/demo/script.hpp"

#include <algorithm>

#include "domain/demo/answer.hpp"
#include "domain/demo/ask.hpp"
#include "domain/demo/model_name.hpp"
#include "tollgate/base/digest.hpp"

namespace tollgate::domain::demo {
namespace {

using std::chrono::milliseconds;

/// Pieces of content that come out before an answer breaks off.
constexpr unsigned kPiecesBeforeBreak = 3;
/// A JSON answer that drips comes in pieces of this size.
constexpr std::size_t kDripBytes = 64;

std::string hash_of(const Request& request) {
  base::Sha256 hash;
  for (const std::string_view part :
       {request.method, request.path_and_query, request.model, request.body}) {
    hash.update(part);
    hash.update(std::string_view("\0", 1));
  }
  return base::to_hex(hash.finish()).substr(0, 24);
}

}  // namespace

/// Walks through head, body and end; what a behaviour changes about that is decided at the start.
class Script::Player {
 public:
  explicit Player(const Request& request) : id_(hash_of(request)) { prepare(request); }

  const Action& next() {
    switch (step_) {
      case Step::delay:
        step_ = Step::head;
        if (first_delay_.count() > 0) return wait(first_delay_);
        [[fallthrough]];
      case Step::head:
        step_ = Step::body;
        action_ = Action{};
        action_.kind = Action::Kind::head;
        action_.status = status_;
        action_.header_lines = header_lines_;
        return action_;
      case Step::body:
        return body();
      case Step::last:
        return action_;
    }
    return action_;
  }

 private:
  enum class Step : std::uint8_t { delay, head, body, last };

  void prepare(const Request& request) {
    const Endpoint endpoint = endpoint_of(request.path_and_query);
    anthropic_ = is_anthropic(endpoint);
    if (endpoint == Endpoint::unknown) return fail(404, "No such path.");
    if ((endpoint == Endpoint::models) != (request.method == "GET"))
      return fail(405, "This path does not take that method.");
    if (endpoint == Endpoint::models) return whole(openai_models_body());

    Ask ask = read_ask(endpoint, request.body);
    const auto model = parse_model_name(request.model.empty() ? ask.model : request.model);
    if (!model) return fail(404, "The demo provider has no such model.", "model");
    if (apply_before_body(*model)) return;
    if (!ask.error.empty()) return fail(400, ask.error, ask.error_param);

    Answer answer = make_answer(*model, ask, request, id_);
    broken_json_ = model->behaviour == Behaviour::bad_json;
    if (model->behaviour == Behaviour::drop_mid_stream) break_ = Action::Kind::cut;
    if (model->behaviour == Behaviour::stall_mid_stream) break_ = Action::Kind::hang;
    switch (endpoint) {
      case Endpoint::chat:
        if (ask.stream) return stream(openai_chat_events(std::move(answer), ask.include_usage));
        return whole(openai_chat_body(std::move(answer)));
      case Endpoint::messages:
        if (ask.stream) return stream(anthropic_message_events(std::move(answer)));
        return whole(anthropic_message_body(std::move(answer)));
      case Endpoint::embeddings:
        return whole(openai_embeddings_body(ask, answer));
      case Endpoint::count_tokens:
        return whole("{\"input_tokens\":" + std::to_string(answer.input_tokens) + "}");
      case Endpoint::models:
      case Endpoint::unknown:
        return;
    }
  }

  /// What needs no valid body; true when that is all there is to do.
  bool apply_before_body(const ModelName& model) {
    switch (model.behaviour) {
      case Behaviour::drop:
        last(Action::Kind::cut);
        return true;
      case Behaviour::silent:
        last(Action::Kind::hang);
        return true;
      case Behaviour::fail:
        fail(static_cast<int>(model.number), "The demo model was told to fail.");
        if (model.number == 429) header_lines_ += "retry-after: 1\r\n";
        return true;
      case Behaviour::slow:
        first_delay_ = milliseconds(model.number);
        return false;
      case Behaviour::drip:
        piece_delay_ = milliseconds(model.number);
        return false;
      case Behaviour::echo:
      case Behaviour::words:
      case Behaviour::drop_mid_stream:
      case Behaviour::stall_mid_stream:
      case Behaviour::tool_calls:
      case Behaviour::secret:
      case Behaviour::refuse:
      case Behaviour::no_usage:
      case Behaviour::cost:
      case Behaviour::bad_json:
        return false;
    }
    return false;
  }

  void set_head(int status, std::string_view content_type) {
    status_ = status;
    header_lines_ = "content-type: ";
    header_lines_ += content_type;
    header_lines_ += anthropic_ ? "\r\nrequest-id: req_" : "\r\nx-request-id: req_";
    header_lines_ += id_;
    header_lines_ += "\r\n";
  }

  void fail(int status, std::string_view message, std::string_view param = {}) {
    set_head(status, "application/json");
    text_ = anthropic_ ? anthropic_error_body(status, message, "req_" + id_)
                       : openai_error_body(status, message, param);
  }

  void whole(std::string body) {
    set_head(200, "application/json");
    text_ = std::move(body);
    if (broken_json_ || break_ != Action::Kind::end) text_.resize(text_.size() / 2);
  }

  void stream(std::unique_ptr<EventSource> events) {
    set_head(200, "text/event-stream");
    events_ = std::move(events);
    if (break_ != Action::Kind::end) events_left_ = events_->preamble() + kPiecesBeforeBreak;
  }

  const Action& last(Action::Kind kind) {
    action_ = Action{};
    action_.kind = kind;
    step_ = Step::last;
    return action_;
  }

  const Action& wait(milliseconds time) {
    action_ = Action{};
    action_.kind = Action::Kind::delay;
    action_.wait = time;
    return action_;
  }

  const Action& body() {
    if (piece_delay_.count() > 0 && !waited_ && more()) {
      waited_ = true;
      return wait(piece_delay_);
    }
    waited_ = false;
    if (!next_piece()) return last(break_);
    action_ = Action{};
    action_.kind = Action::Kind::body;
    action_.body = piece_;
    return action_;
  }

  /// Whether a piece may follow; a stream's end shows only when its next event is asked for.
  [[nodiscard]] bool more() const { return events_ ? events_left_ > 0 : offset_ < text_.size(); }

  bool next_piece() {
    if (events_) {
      if (events_left_ == 0) return false;
      --events_left_;
      if (!events_->next(piece_)) return false;
      if (broken_json_) break_event();
      return true;
    }
    if (offset_ >= text_.size()) return false;
    const std::size_t size = piece_delay_.count() > 0 ? kDripBytes : text_.size();
    piece_ = text_.substr(offset_, size);
    offset_ += piece_.size();
    return true;
  }

  /// Leaves half of the event's JSON; the event itself still ends well.
  void break_event() {
    const std::size_t data = piece_.find("data: ") + 6;
    const std::size_t size = piece_.size() - 2 - data;
    piece_.resize(data + (size + 1) / 2);
    piece_ += "\n\n";
  }

  std::string id_;
  bool anthropic_ = false;
  bool broken_json_ = false;
  Action::Kind break_ = Action::Kind::end;  ///< how the answer ends
  milliseconds first_delay_{0};
  milliseconds piece_delay_{0};
  int status_ = 200;
  std::string header_lines_;
  std::string text_;  ///< a whole body
  std::size_t offset_ = 0;
  std::unique_ptr<EventSource> events_;
  std::uint64_t events_left_ = UINT64_MAX;
  bool waited_ = false;
  std::string piece_;
  Step step_ = Step::delay;
  Action action_;
};

Script::Script(const Request& request) : player_(std::make_unique<Player>(request)) {}
Script::~Script() = default;
Script::Script(Script&&) noexcept = default;
Script& Script::operator=(Script&&) noexcept = default;

const Action& Script::next() {
  return player_->next();
}

}  // namespace tollgate::domain::demo
