// Stand-ins for tests of fronts: a node that keeps keys in a map, and a connection that gives bytes
// to a front as net/ does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/parse.h"
#include "front/front.h"

namespace kvorum::front {

class TestNode {
 public:
  struct Row {
    Bytes value;
    Bytes lifetime;  // as the request said, "EX 10"; empty: for ever
    std::uint64_t version = 1;
  };

  std::map<Bytes, Row> rows;
  std::map<Bytes, Error> errors;  // of requests that name such a key
  std::size_t meddlings = 0;      // so often another client comes between a GET and a KV.CAS
  std::vector<Bytes> log;         // the requests, words joined by blanks

  void answer(const std::vector<Bytes>& args, ReplyWriter& reply) {
    Bytes line;
    for (const auto& arg : args) {
      line += (line.empty() ? "" : " ") + arg;
    }
    log.push_back(std::move(line));
    if (args[0] == "KV.RECEIPT") {
      const auto row = rows.find(args.at(2));
      reply.array(2);
      run({args.begin() + 1, args.end()}, reply);
      reply.map(2);
      reply.bulk("asked");
      reply.bulk("version");
      reply.bulk("version");
      return reply.integer(static_cast<std::int64_t>(row == rows.end() ? 0 : row->second.version));
    }
    if (args[0] == "KV.IF") {
      const auto row = rows.find(args.at(3));
      if (!errors.contains(args[3]) &&
          (row == rows.end() || std::to_string(row->second.version) != args[1])) {
        return reply.nil();
      }
    }
    const auto wrapped = args[0] == "KV.AT" || args[0] == "KV.IF";
    run({args.begin() + (wrapped ? 2 : 0), args.end()}, reply);
  }

 private:
  void run(const std::vector<Bytes>& args, ReplyWriter& reply) {
    const auto& name = args[0];
    if (name == "DBSIZE") {
      return reply.integer(static_cast<std::int64_t>(rows.size()));
    }
    if (name == "FLUSHDB") {
      rows.clear();
      return reply.status("OK");
    }
    const auto& key = args.at(1);
    if (const auto error = errors.find(key); error != errors.end()) {
      return reply.error(error->second);
    }
    const auto row = rows.find(key);
    if (name == "SET") {
      return set(args, reply);
    }
    if (name == "EXISTS") {
      return reply.integer(row == rows.end() ? 0 : 1);
    }
    if (name == "DEL") {
      return reply.integer(static_cast<std::int64_t>(rows.erase(key)));
    }
    if (name == "KV.CAS") {
      return swap(args, reply);
    }
    CHECK(name == "GET" || name == "GETEX", "{}", name);
    if (row == rows.end()) {
      return reply.nil();
    }
    reply.bulk(row->second.value);
    if (args.size() == 3) {
      CHECK_EQ(args[2], "PERSIST");
      put(key, {row->second.value, {}});
    } else if (args.size() == 4) {
      put(key, {row->second.value, args[2] + ' ' + args[3]});
    }
  }

  // A lifetime that ended is the end of the row.
  void put(const Bytes& key, const Row& row) {
    if (row.lifetime == "PXAT 1") {
      rows.erase(key);
    } else {
      rows[key] = {row.value, row.lifetime, ++versions_};
    }
  }

  void set(const std::vector<Bytes>& args, ReplyWriter& reply) {
    Row row{args.at(2), {}};
    for (std::size_t i = 3; i < args.size(); ++i) {
      if (args[i] == "NX" || args[i] == "XX") {
        if (rows.contains(args[1]) == (args[i] == "NX")) {
          return reply.nil();
        }
      } else {
        row.lifetime = args[i] + ' ' + args.at(i + 1);
        ++i;
      }
    }
    put(args[1], row);
    reply.status("OK");
  }

  void swap(const std::vector<Bytes>& args, ReplyWriter& reply) {
    CHECK_EQ(args.at(4), "KEEPTTL");
    if (meddlings > 0) {
      --meddlings;
      auto& value = rows[args[1]].value;
      value = value == "7" ? "8" : "7";
    }
    const auto row = rows.find(args[1]);
    const bool same = row != rows.end() && row->second.value == args.at(2);
    if (same) {
      row->second.value = args.at(3);
      row->second.version = ++versions_;
    }
    reply.integer(same ? 1 : 0);
  }

  std::uint64_t versions_ = 1;
};

class TestConnection {
 public:
  // When the node answers: as soon as it is asked, or as late as it can.
  enum class Node : std::uint8_t { kFast, kSlow };
  static constexpr std::size_t kWindow = 8;  // requests that a slow one lets wait

  TestConnection(TestNode& node, const Factory& make, Node speed = Node::kFast)
      : node_(node), speed_(speed), front_(make(out_)) {}

  // In pieces of `step` bytes.
  void send(ByteView bytes, std::size_t step = SIZE_MAX) {
    while (!bytes.empty() && !ended()) {
      // On the heap, so that a view that outlives it is found out.
      const std::vector<char> piece(bytes.begin(), bytes.begin() + std::min(step, bytes.size()));
      bytes.remove_prefix(piece.size());
      front_->feed({piece.data(), piece.size()});
      pump();
      front_->keep();
    }
  }

  // The node answers all it owes; what the client received so far.
  const Bytes& received() {
    do {
      while (!asked_.empty()) {
        answer_one();
      }
      pump();
    } while (!asked_.empty());
    front_->keep();
    CHECK_EQ(front_->replies(), answered_);
    return out_;
  }

  // Nothing more comes of it.
  bool ended() const { return front_->finished(); }
  Front& front() { return *front_; }

 private:
  void pump() {
    while (!ended()) {
      const auto status = front_->next();
      if (status == Front::Status::kNeedMore) {
        return;
      }
      if (status == Front::Status::kRequest) {
        asked_.emplace_back(front_->args().begin(), front_->args().end());
        CHECK(!asked_.back().empty());
      }
      CHECK(status == Front::Status::kRequest || status == Front::Status::kAnswered ||
            status == Front::Status::kWaits);
      const bool waits = status == Front::Status::kWaits;
      CHECK(!waits || !asked_.empty(), "waits for a reply that nobody owes");
      if (waits || (speed_ == Node::kFast ? !asked_.empty() : asked_.size() > kWindow)) {
        answer_one();
      }
    }
  }

  void answer_one() {
    const auto args = std::move(asked_.front());
    asked_.pop_front();
    node_.answer(args, front_->writer());
    ++answered_;
  }

  TestNode& node_;
  Node speed_;
  Bytes out_;
  std::unique_ptr<Front> front_;
  std::deque<std::vector<Bytes>> asked_;
  std::uint64_t answered_ = 0;
};

}  // namespace kvorum::front
