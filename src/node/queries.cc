#include "node/queries.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "node/node.h"

namespace kvorum::node {
namespace {

bool all_answered(const std::vector<Queries::Asked>& questions) {
  return std::all_of(questions.begin(), questions.end(),
                     [](const Queries::Asked& asked) { return asked.answer.has_value(); });
}

// What we say of who says nothing.
Answer refusal(const Query& query, ErrorCode code, ByteView why) {
  return {query.to, query.from, query.id, code, Bytes(why)};
}

}  // namespace

void Queries::ask(ConnId conn, Query query) {
  query.id = next_id_++;
  conns_.emplace(query.id, conn);
  outgoing_.push_back(query);
  open_[conn].push_back({std::move(query), std::nullopt});
}

bool Queries::settled(ConnId conn) const {
  const auto found = open_.find(conn);
  return found == open_.end() || all_answered(found->second);
}

std::vector<Queries::Asked> Queries::take(ConnId conn) {
  const auto found = open_.find(conn);
  if (found == open_.end()) {
    return {};
  }
  auto questions = std::move(found->second);
  open_.erase(found);
  for (const auto& asked : questions) {
    conns_.erase(asked.query.id);
  }
  return questions;
}

void Queries::give_up(ConnId conn) {
  const auto found = open_.find(conn);
  if (found == open_.end()) {
    return;
  }
  for (auto& asked : found->second) {
    if (!asked.answer) {
      asked.answer = refusal(asked.query, ErrorCode::kTimeout, "silent");
    }
  }
}

std::optional<ConnId> Queries::answered(Answer answer) {
  const auto waiting = conns_.find(answer.id);
  if (waiting == conns_.end()) {
    return std::nullopt;
  }
  auto& questions = open_.at(waiting->second);
  for (auto& asked : questions) {
    if (asked.query.id == answer.id && asked.query.to == answer.from && !asked.answer) {
      asked.answer = std::move(answer);
      return all_answered(questions) ? std::optional(waiting->second) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::vector<ConnId> Queries::lost(NodeId node) {
  std::vector<ConnId> settled;
  for (auto& [conn, questions] : open_) {
    bool hit = false;
    for (auto& asked : questions) {
      if (asked.query.to == node && !asked.answer) {
        asked.answer = refusal(asked.query, ErrorCode::kNoQuorum, "down");
        hit = true;
      }
    }
    if (hit && all_answered(questions)) {
      settled.push_back(conn);
    }
  }
  return settled;
}

void Queries::drain(Output& out) {
  out.queries.insert(out.queries.end(), std::make_move_iterator(outgoing_.begin()),
                     std::make_move_iterator(outgoing_.end()));
  out.answers.insert(out.answers.end(), std::make_move_iterator(answers_.begin()),
                     std::make_move_iterator(answers_.end()));
  outgoing_.clear();
  answers_.clear();
}

}  // namespace kvorum::node
