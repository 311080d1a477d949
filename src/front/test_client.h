// For the tests of HTTP: one client, and a node that answers as the test says, at once or when told
// to.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "front/front.h"

namespace kvorum::front {

using Request = std::vector<Bytes>;

// One connection to it.
class TestClient {
 public:
  using Answer = std::function<void(const Request&, ReplyWriter&)>;

  // `made` appends to what out() is.
  TestClient(const Factory& make, Answer answer) : front_(make(out_)), answer_(std::move(answer)) {}

  // As a connection does: everything the front can tell of these bytes goes to the node.
  void send(ByteView bytes) {
    front_->feed(bytes);
    parse();
    front_->keep();
  }
  // The replies that hold() kept back, one of them or all.
  void reply() {
    const auto request = waiting_.front();
    waiting_.pop_front();
    answer_(request, front_->writer());
    go_on();
  }
  void release() {
    held_ = false;
    while (!waiting_.empty()) {
      reply();
    }
  }
  void hold() { held_ = true; }

  Front& front() { return *front_; }
  const std::vector<Request>& asked() const { return asked_; }
  bool finished() const { return front_->finished(); }
  Bytes take() { return std::exchange(out_, {}); }

 private:
  // As a connection: who has nothing left to parse waits for bytes.
  void go_on() {
    if (!hungry_) {
      parse();
      front_->keep();
    }
  }
  void parse() {
    for (;;) {
      switch (front_->next()) {
        case Front::Status::kNeedMore:
          hungry_ = true;
          return;
        case Front::Status::kWaits:
          hungry_ = false;
          return;
        case Front::Status::kAnswered:
          break;
        case Front::Status::kRequest: {
          const auto args = front_->args();
          asked_.emplace_back(args.begin(), args.end());
          waiting_.push_back(asked_.back());
          if (!held_) {
            const auto request = waiting_.front();
            waiting_.pop_front();
            answer_(request, front_->writer());
          }
          // A node may look at the words until it returns, whatever it has answered by then.
          CHECK(std::equal(args.begin(), args.end(), asked_.back().begin(), asked_.back().end()));
          break;
        }
        case Front::Status::kRefused:
        case Front::Status::kFatal:
          asked_.push_back({"REFUSED", front_->error().detail});
          front_->writer().error(front_->error());
          break;
      }
    }
  }

  Bytes out_;
  std::unique_ptr<Front> front_;
  Answer answer_;
  std::vector<Request> asked_;
  std::deque<Request> waiting_;
  bool held_ = false;
  bool hungry_ = true;
};

}  // namespace kvorum::front
