// What must come before what, and why: a directed graph over a frame's nodes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "check/frame.h"
#include "check/verdict.h"

namespace kvorum::check {

enum class Why : std::uint8_t {
  kSession,      // one client did `to` after `from`
  kReadsFrom,    // `to` saw what `from` wrote
  kOverwritten,  // `cause` knew `from`, yet saw what `to` wrote: so `to` is the later of the two
  kReadBefore,   // `from` saw what `to` overwrote
  kAppended,     // a value that was seen shows `from` before `to`
  kRead,         // `from` was seen by the client of `to`, which then wrote `to`
};
const char* name_of(Why why);

struct Link {
  Node from = kNone;
  Node to = kNone;
  Why why = Why::kSession;
  Node cause = kNone;  // of kOverwritten and kReadBefore: the write or read that made it so
};

class Links {
 public:
  explicit Links(std::size_t nodes = 0) : nodes_(nodes) {}

  void add(Link link) { links_.push_back(link); }
  const Link& operator[](std::size_t i) const { return links_[i]; }
  std::size_t size() const { return links_.size(); }

  // All nodes, each behind what must come before it; shorter than that if there is a cycle.
  std::vector<Node> sorted();
  // The links of a short cycle, in order; sorted() has just found that there is one.
  std::vector<std::uint32_t> cycle() const;
  // The links of a shortest way made of the first `below` links; empty if there is none.
  std::vector<std::uint32_t> path(Node from, Node to, std::size_t below) const;
  // Indices of the links out of a node, as of the last sorted().
  template <class Visit>
  void each_out(Node node, Visit visit) const {
    for (auto i = first_[node]; i < first_[node + 1]; ++i) {
      visit(links_[out_[i]], out_[i]);
    }
  }

 private:
  void index();

  std::size_t nodes_;
  std::vector<Link> links_;
  std::vector<std::uint32_t> first_;  // links out of node n: out_[first_[n]] to out_[first_[n + 1]]
  std::vector<std::uint32_t> out_;
  std::vector<Node> stuck_;  // what the last sorted() left over
};

// Reasons of a violation, in the history's own indices.
struct Reasons {
  std::vector<Edge> edges;
  std::vector<std::uint32_t> core;  // ascending
  std::string sentence;
};
// A way or cycle of links, session steps joined, told in words; with everything in the core that
// the links rest on.
Reasons reasons(const Frame& frame, const Links& links, const std::vector<std::uint32_t>& way);

}  // namespace kvorum::check
