#include "front/http_front.h"

#include <utility>

#include "base/check.h"

namespace kvorum::front {

HttpFront::HttpFront(const HttpOptions& options, Bytes& out)
    : options_(options), out_(out), parser_(options.limits) {}

void HttpFront::feed(ByteView bytes) {
  if (!ended_) {
    buffer_.feed(bytes);
  }
}

void HttpFront::keep() {
  buffer_.keep();
  Words().swap(words_);
}

Duration HttpFront::patience() const {
  return !within_request()       ? options_.idle_patience
         : parser_.within_body() ? options_.body_patience
                                 : options_.head_patience;
}

void HttpFront::expire() {
  if (within_request()) {
    refuse({408, "the request did not come whole in time"});
  }
  ended_ = true;
}

// The last exchange has more to ask, but not before the node has answered what it asked; or too
// many wait for the first one.
bool HttpFront::waits() const {
  if (pending_.size() >= kMaxPending) {
    return true;
  }
  return !pending_.empty() && !pending_.back().done &&
         (pending_.back().preparing || !pending_.back().exchange->one_step());
}

Front::Status HttpFront::next() {
  if (!pending_.empty() && pending_.back().sent < pending_.back().commands.size()) {
    auto& last = pending_.back();
    words_ = std::move(last.commands[last.sent++]);
    args_.assign(words_.begin(), words_.end());
    return Status::kRequest;
  }
  if (waits()) {
    return Status::kWaits;
  }
  if (ended_) {
    return Status::kNeedMore;
  }
  std::size_t used = 0;
  const auto status = parser_.next(buffer_.rest(), used);
  buffer_.consume(used);
  switch (status) {
    case HttpParser::Status::kRequest:
      return begin_request();
    case HttpParser::Status::kRefused:
      refuse(parser_.refusal());
      return Status::kAnswered;
    case HttpParser::Status::kNeedMore:
      break;
  }
  return tell_to_go_on() ? Status::kAnswered : Status::kNeedMore;
}

// Not before all responses that are on their way: it would come between two of them.
bool HttpFront::tell_to_go_on() {
  if (ended_ || !pending_.empty() || !parser_.take_continue()) {
    return false;
  }
  out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  return true;
}

Front::Status HttpFront::begin_request() {
  auto request = std::move(parser_.request());  // an idle connection keeps none of it
  auto& pending = pending_.emplace_back();
  pending.framing = {request.method == Method::kHead, !request.keep_alive, request.http10};
  ended_ = !request.keep_alive;
  auto routed = route(request, options_);
  pending.origin = std::move(routed.origin);
  if (auto* exchange = std::get_if<std::unique_ptr<Exchange>>(&routed.to)) {
    pending.exchange = std::move(*exchange);
    prepare(pending);
  } else {
    step(pending, std::move(std::get<HttpResponse>(routed.to)));
  }
  if (pending_.empty() || pending_.back().done) {
    return Status::kAnswered;
  }
  return next();
}

// Bytes that are no request: their refusal is the connection's last response.
void HttpFront::refuse(const HttpRefusal& refusal) {
  ended_ = true;
  buffer_.clear();
  auto& pending = pending_.emplace_back();
  pending.framing.close = true;
  step(pending, error_response(refusal.status, "ERR", refusal.why));
}

void HttpFront::prepare(Pending& pending) {
  const auto& ask = pending.exchange->ask();
  std::vector<Words> before;
  pending.selects = ask.keyspace != keyspace_;
  if (pending.selects) {
    before.push_back({"SELECT", ask.keyspace});
  }
  // A request's position is its own, whatever came on this connection before.
  if (!ask.session.empty()) {
    before.push_back({"KV.SESSION", "NEW", ask.session});
  } else if (positioned_) {
    before.push_back({"KV.SESSION", "NEW"});
  }
  positioned_ = !ask.session.empty();
  pending.preparing = !before.empty();
  step(pending, pending.preparing ? Step(std::move(before)) : pending.exchange->begin());
}

void HttpFront::step(Pending& pending, Step step) {
  pending.answers.clear();
  pending.sent = 0;
  if (auto* commands = std::get_if<std::vector<Words>>(&step)) {
    CHECK(!commands->empty());
    pending.held = pending.exchange->held();
    pending.commands = std::move(*commands);
    return;
  }
  pending.commands.clear();
  pending.response = std::move(std::get<HttpResponse>(step));
  pending.done = true;
  flush();
}

// A list, however long, takes no more memory than this and one reply until it is told.
void HttpFront::bound(Pending& pending, ReplyTree::Taken& reply) const {
  if (pending.preparing || pending.exchange->one_step()) {
    return;
  }
  pending.held += ReplyTree::bytes(reply.reply);
  if (pending.held > options_.list_bytes) {
    reply = {{},
             Error{ErrorCode::kGeneric,
                   fmt::format("keys and values of more than {} bytes: ask for fewer, or for keys "
                               "alone",
                               options_.list_bytes)}};
  }
}

// Where the receipt of the node's next reply goes; null: it is a part of that.
Receipt* HttpFront::receipt() {
  const bool awaited = !pending_.empty() && !pending_.front().done && !pending_.front().preparing;
  return awaited ? pending_.front().exchange->receipt() : nullptr;
}

// The node's next reply: it belongs to the first exchange, as each is asked in order, and one that
// has more steps is the last one.
void HttpFront::take(ReplyTree::Taken reply) {
  CHECK(!pending_.empty() && !pending_.front().done, "a reply that no exchange waits for");
  auto& pending = pending_.front();
  const bool selects = pending.preparing && pending.selects && pending.answers.empty();
  if (reply.error && reply.error->code == ErrorCode::kNoKeyspace) {
    keyspace_.clear();  // its name may be another one's by now
  }
  if (reply.error && (reply.error->code == ErrorCode::kNoKeyspace ||
                      (selects && reply.error->code == ErrorCode::kGeneric))) {
    reply.error = Error{ErrorCode::kNoKeyspace, "no such keyspace"};
  }
  bound(pending, reply);
  pending.answers.push_back(std::move(reply));
  if (pending.answers.size() < pending.commands.size()) {
    return;
  }
  auto answers = std::move(pending.answers);
  if (!pending.preparing) {
    return step(pending, pending.exchange->answered(std::move(answers)));
  }
  pending.preparing = false;
  const auto& ask = pending.exchange->ask();
  if (pending.selects && !answers.front().error) {
    keyspace_ = ask.keyspace;
  }
  for (const auto& answer : answers) {
    if (answer.error) {
      return step(pending, error_response(*answer.error));
    }
  }
  step(pending, pending.exchange->begin());
}

void HttpFront::flush() {
  while (!pending_.empty() && pending_.front().done) {
    auto& first = pending_.front();
    if (!first.origin.empty()) {
      auto& response = first.response;
      response.add_field("Access-Control-Allow-Origin", first.origin);
      response.add_field("Access-Control-Expose-Headers",
                         "ETag, Kvorum-Version, Kvorum-Receipt, Kvorum-Session, Kvorum-Context, "
                         "Retry-After");
      response.add_field("Vary", "Origin");
    }
    if (options_.date) {
      first.framing.date = options_.date();
    }
    append_response(first.response, first.framing, out_);
    pending_.pop_front();
  }
  tell_to_go_on();
}

}  // namespace kvorum::front
