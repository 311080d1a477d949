#include "client/client.h"

#include <algorithm>
#include <utility>

#include "wire/resp.h"

namespace kvorum::client {

void Client::add(const std::vector<Endpoint>& endpoints) {
  auto& known = options_.endpoints;
  for (const auto& endpoint : endpoints) {
    if (std::find(known.begin(), known.end(), endpoint) == known.end()) {
      known.push_back(endpoint);
    }
  }
}

Result<Connection> Client::open() {
  auto connection = Connection::open(endpoint(), options_.connect_timeout);
  for (std::size_t i = 0; connection && i < prelude_.size(); ++i) {
    auto sent = connection->send(prelude_[i], options_.request_timeout);
    auto reply = sent ? connection->receive(options_.request_timeout)
                      : Result<wire::Reply>(tl::unexpected(std::move(sent.error())));
    if (!reply) {
      return tl::unexpected(std::move(reply.error()));
    }
    if (reply->is_error()) {
      return fail(ErrorCode::kIo, "{} refused the connection's settings: {}", to_string(endpoint()),
                  reply->text);
    }
  }
  return connection;
}

Result<void> Client::connect() {
  if (connected()) {
    return {};
  }
  connection_.reset();
  Error last;
  for (std::size_t tries = 0; tries < options_.endpoints.size(); ++tries) {
    auto opened = open();
    if (opened) {
      connection_ = std::move(*opened);
      ++connections_;
      return {};
    }
    last = std::move(opened.error());
    current_ = (current_ + 1) % options_.endpoints.size();
  }
  return tl::unexpected(std::move(last));
}

Result<wire::Reply> Client::call(std::span<const ByteView> args, Repeat repeat) {
  Bytes request;
  wire::append_request(args, request);
  Error last;
  bool sent_before = false;
  repeated_ = false;
  const auto lost = [&]() -> Result<wire::Reply> {
    if (sent_before && repeat != Repeat::kHarmless) {
      return fail(ErrorCode::kUnknown, "{}; the outcome is unknown: it may have taken effect",
                  last.detail);
    }
    return tl::unexpected(last);
  };
  // Every node may be met once by a connection that turns out to be dead, and once by a fresh one.
  for (std::size_t tries = 0; tries < options_.endpoints.size() + 1; ++tries) {
    if (auto connection = connect(); !connection) {
      last = std::move(connection.error());
      return lost();
    }
    if (auto sent = connection_->send(request, options_.request_timeout); !sent) {
      last = std::move(sent.error());
    } else {
      repeated_ = sent_before;
      sent_before = true;
      auto reply = connection_->receive(options_.request_timeout);
      if (reply) {
        return reply;
      }
      last = std::move(reply.error());
    }
    connection_.reset();
    if (sent_before && (repeat == Repeat::kNever || repeated_)) {
      break;
    }
    current_ = (current_ + 1) % options_.endpoints.size();
  }
  return lost();
}

void Client::part_with(std::span<const ByteView> args) {
  if (connected()) {
    Bytes request;
    wire::append_request(args, request);
    // Whether it arrives is not our concern any more.
    static_cast<void>(connection_->send(request, options_.request_timeout));
    connection_.reset();
  }
}

}  // namespace kvorum::client
