#include "lab/sim_client.h"

#include <utility>

#include "wire/resp.h"

namespace kvorum::lab {
namespace {

Bytes encode(const std::vector<std::string>& words) {
  const std::vector<ByteView> views(words.begin(), words.end());
  Bytes request;
  wire::append_request(views, request);
  return request;
}

}  // namespace

std::uint64_t SimPort::open(NodeId node, SimClient& client) {
  const auto conn = next_conn_++;
  if (!cluster_.connect(node, conn)) {
    return 0;
  }
  ends_[conn] = &client;
  return conn;
}

void SimPort::close(std::uint64_t conn) {
  ends_.erase(conn);
  cluster_.disconnect(conn);
}

void SimPort::reply(std::uint64_t conn, ByteView bytes) { ends_.at(conn)->reply(bytes); }

void SimPort::hung_up(std::uint64_t conn) {
  auto* const client = ends_.at(conn);
  ends_.erase(conn);
  client->hung_up();
}

void SimClient::set_prelude(const std::vector<std::string>& words) { prelude_ = encode(words); }

void SimClient::connect(const Connected& done) {
  if (conn_ != 0) {
    return done({});
  }
  open(nodes_, done);
}

void SimClient::open(std::size_t tries, const Connected& done) {
  for (; tries > 0; --tries) {
    conn_ = port_.open(node_, *this);
    if (conn_ == 0) {
      move_on();
      continue;
    }
    parser_.emplace();
    if (prelude_.empty()) {
      ++connections_;
      return done({});
    }
    return exchange(prelude_, [this, tries, done](const Result<wire::Reply>& reply) {
      if (reply && !reply->is_error()) {
        ++connections_;
        return done({});
      }
      drop();
      move_on();
      open(tries - 1, done);
    });
  }
  done(fail(ErrorCode::kIo, "no node takes connections"));
}

void SimClient::call(const std::vector<std::string>& words, bool is_read, Done done) {
  Call call;
  call.request = encode(words);
  call.is_read = is_read;
  call.done = std::move(done);
  attempt(std::move(call));
}

void SimClient::attempt(Call call) {
  connect([this, call](const Result<void>& connected) {
    if (!connected) {
      return call.done(tl::unexpected(connected.error()));
    }
    exchange(call.request, [this, call](const Result<wire::Reply>& reply) mutable {
      if (reply) {
        return call.done(reply);
      }
      drop();
      if (!call.is_read) {
        return call.done(fail(ErrorCode::kUnknown,
                              "{}; the outcome is unknown: it may have taken effect",
                              reply.error().detail));
      }
      if (std::exchange(call.repeated, true)) {
        return call.done(reply);
      }
      move_on();
      attempt(std::move(call));
    });
  });
}

void SimClient::exchange(Bytes request, Done done) {
  waiting_ = std::move(done);
  auto& cluster = port_.cluster();
  cluster.at(cluster.now() + patience_, [this, round = ++round_] {
    if (round == round_ && waiting_) {
      settle(fail(ErrorCode::kIo, "node {} does not answer", node_.value()));
    }
  });
  cluster.request(conn_, std::move(request));
}

void SimClient::settle(Result<wire::Reply> reply) {
  const auto done = std::exchange(waiting_, nullptr);
  done(std::move(reply));
}

void SimClient::drop() {
  if (conn_ != 0) {
    port_.close(std::exchange(conn_, 0));
  }
}

void SimClient::reply(ByteView bytes) {
  parser_->feed(bytes);
  auto reply = parser_->next();
  if (!reply) {
    settle(tl::unexpected(std::move(reply.error())));
  } else if (*reply) {
    settle(std::move(**reply));
  }
}

void SimClient::hung_up() {
  conn_ = 0;
  if (waiting_) {
    settle(fail(ErrorCode::kIo, "node {} closed the connection", node_.value()));
  }
}

}  // namespace kvorum::lab
