// A node's writes of one partition, from the moment a client hands them in until the node itself
// has applied them.
//
// Commands collect in an open run; seal() numbers them and closes it. Closed runs are kept, and
// sent again from the first unapplied one on whenever they may have been lost (go-back-N): the
// state machine takes each number once, in order.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "model/command.h"
#include "node/options.h"

namespace kvorum::node {

class Outbox {
 public:
  explicit Outbox(ClientId client) : client_(client) {}

  struct Run {
    std::uint64_t first_seq = 0;
    SharedBytes bytes;           // head and commands, as they go into the log
    std::vector<ConnId> owners;  // who gets the reply to each; 0: nobody any more
    std::uint64_t last_seq() const { return first_seq + owners.size() - 1; }
  };

  // Adds a command at the end of the open run.
  void push(const Command& command, ConnId owner);
  bool has_open() const { return !open_.empty(); }
  std::size_t open_bytes() const { return open_bytes_.size(); }
  std::size_t open_commands() const { return open_.size(); }
  std::uint64_t done() const { return done_; }  // applied through this number

  // Numbers the open run's commands and closes it, in pieces that fit an entry. Returns how many
  // runs were added.
  std::size_t seal();
  std::uint64_t seals() const { return seals_; }  // so far: what was handed in since is not sent

  const std::deque<Run>& runs() const { return runs_; }  // closed and not wholly applied, in order
  std::size_t bytes() const { return closed_bytes_ + open_bytes_.size(); }
  ClientId client() const { return client_; }

  // Who waits for command `seq`; 0 if nobody.
  ConnId owner(std::uint64_t seq) const;
  // Commands up to and including `seq` were applied. Owners whose command was passed over unseen
  // (its effect came with a snapshot) are appended to `missed`.
  void applied(std::uint64_t seq, std::vector<ConnId>& missed);
  // All below `next` came with a snapshot.
  void passed(std::uint64_t next, std::vector<ConnId>& missed);

  // The connection gives up on its first waiting command: true if it was never sent and now never
  // will be, false if it may take effect yet.
  bool abandon(ConnId owner);

 private:
  struct Open {
    std::size_t end;  // of the command in open_bytes_
    ConnId owner;
    bool cancelled = false;
  };
  void close_piece(std::size_t from, std::size_t to);

  ClientId client_;
  std::uint64_t next_seq_ = 1;
  std::uint64_t seals_ = 0;
  std::uint64_t done_ = 0;  // applied through this one
  std::deque<Run> runs_;
  std::size_t closed_bytes_ = 0;
  std::vector<Open> open_;
  Bytes open_bytes_;
};

}  // namespace kvorum::node
