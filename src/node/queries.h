// Questions that this node has put to others for its clients (model/query.h). A connection has one
// command that asks at a time; all its questions are settled before it is answered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "model/query.h"
#include "node/options.h"

namespace kvorum::node {

struct Output;

class Queries {
 public:
  struct Asked {
    Query query;
    std::optional<Answer> answer;
  };

  // Ids rise from `first_id`: drawn anew at each start, so that no answer to an earlier life fits.
  explicit Queries(std::uint64_t first_id) : next_id_(first_id) {}

  // Gives it its id and sends it with the next drain().
  void ask(ConnId conn, Query query);
  bool settled(ConnId conn) const;
  // All of the connection's questions; none of them is known any more.
  std::vector<Asked> take(ConnId conn);
  // The client's patience is over: who has not answered is silent.
  void give_up(ConnId conn);

  // The connection that it settles. None: it is late, or not from whom we asked.
  std::optional<ConnId> answered(Answer answer);
  // The link to this node is down: it answers no more. The connections that this settles.
  std::vector<ConnId> lost(NodeId node);
  // Our answer to another node.
  void reply(Answer answer) { answers_.push_back(std::move(answer)); }

  void drain(Output& out);

 private:
  std::uint64_t next_id_;
  std::map<ConnId, std::vector<Asked>> open_;
  std::map<std::uint64_t, ConnId> conns_;  // who waits for the answer of that id
  std::vector<Query> outgoing_;
  std::vector<Answer> answers_;
};

}  // namespace kvorum::node
