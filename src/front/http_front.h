// HTTP clients: requests to exchanges, exchanges to commands for the node, responses in the order
// of the requests. docs/http.md has what is served.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "front/front.h"
#include "front/http_exchange.h"
#include "wire/stream_buffer.h"

namespace kvorum::front {

class HttpFront final : public Front {
 public:
  // The options outlive the front.
  HttpFront(const HttpOptions& options, Bytes& out);

  void feed(ByteView bytes) override;
  void keep() override;
  Status next() override;
  std::span<const ByteView> args() const override { return args_; }
  const Error& error() const override { return no_error_; }
  ReplyWriter& writer() override { return replies_; }
  std::uint64_t replies() const override { return replies_.replies(); }
  bool finished() const override { return ended_ && pending_.empty(); }
  bool within_request() const override { return !buffer_.rest().empty() || parser_.within_body(); }
  Duration patience() const override;
  void expire() override;

 private:
  // Requests whose responses are not written yet. Those that the node knows nothing of may wait for
  // one that it takes long to answer.
  static constexpr std::size_t kMaxPending = 256;

  // A ReplyWriter that hands each whole reply to the front.
  class Replies final : public ReplyWriter {
   public:
    explicit Replies(HttpFront& front) : front_(front) {}
    void status(ByteView text) override { (tree_.status(text), look()); }
    void integer(std::int64_t value) override {
      if (receipt_ == nullptr) {
        return (tree_.integer(value), look());
      }
      receipt_->number(value);
      look_at_receipt();
    }
    void bulk(ByteView bytes) override {
      if (receipt_ == nullptr) {
        return (tree_.bulk(bytes), look());
      }
      receipt_->word(bytes);
      look_at_receipt();
    }
    void nil() override { (tree_.nil(), look()); }
    void error(const Error& error) override { (tree_.error(error), look()); }
    void array(std::size_t count) override { (tree_.array(count), look()); }
    // One behind a reply is a receipt, of bulks and integers.
    void map(std::size_t pairs) override {
      receipt_ = tree_.lacks_second() ? front_.receipt() : nullptr;
      if (receipt_ == nullptr) {
        return (tree_.map(pairs), look());
      }
      receipt_->begin(pairs);
      look_at_receipt();
    }
    std::uint64_t replies() const { return tree_.replies(); }

   private:
    void look() {
      CHECK(receipt_ == nullptr, "a receipt has only bulks and integers");
      if (tree_.is_whole()) {
        front_.take(tree_.take());
      }
    }

    void look_at_receipt() {
      if (!receipt_->lacks_words()) {
        receipt_ = nullptr;
        tree_.nil();
        look();
      }
    }

    HttpFront& front_;
    ReplyTree tree_;
    Receipt* receipt_ = nullptr;  // the one that is being read
  };

  struct Pending {
    std::unique_ptr<Exchange> exchange;
    bool preparing = false;  // SELECT and KV.SESSION are under way, the exchange has not begun
    bool selects = false;    // the first of them is a SELECT
    bool done = false;
    std::vector<Words> commands;  // of the step under way
    std::size_t sent = 0;         // of them
    std::vector<ReplyTree::Taken> answers;
    std::size_t held = 0;   // bytes: what an exchange with steps keeps, and replies of this step
    HttpResponse response;  // once done
    Framing framing;
    Bytes origin;  // to be told that it may see the response; empty: no one to tell
  };

  Status begin_request();
  void refuse(const HttpRefusal& refusal);
  void prepare(Pending& pending);
  void step(Pending& pending, Step step);
  Receipt* receipt();
  void take(ReplyTree::Taken reply);
  void flush();
  bool tell_to_go_on();
  bool waits() const;
  void bound(Pending& pending, ReplyTree::Taken& reply) const;

  const HttpOptions& options_;
  Bytes& out_;
  wire::StreamBuffer buffer_;
  HttpParser parser_;
  Replies replies_{*this};
  std::deque<Pending> pending_;
  Bytes keyspace_ = "main";  // of the connection, as the node has it; empty: one that is gone
  bool positioned_ = false;  // the last request came with a session's position
  Words words_;              // what args_ views; the node may look at them when it has answered
  std::vector<ByteView> args_;
  Error no_error_;
  bool ended_ = false;  // no request is taken any more
};

}  // namespace kvorum::front
