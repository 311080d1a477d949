// Who is enough: majorities and joint majorities, as pure arithmetic over node ids.
#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <optional>
#include <span>

#include "base/check.h"
#include "base/ids.h"

namespace kvorum::quorum {

using Voters = std::span<const NodeId>;

// Two sets of voters that must agree separately (Raft paper, section 6). An empty `outgoing` asks
// nobody.
struct Joint {
  Voters voters;  // never empty
  Voters outgoing;
};

// The least number of n that any two such groups of n have a member in common.
constexpr std::size_t majority(std::size_t n) { return n / 2 + 1; }

// The greatest value that a majority of the voters has reached, where of(id) is what one voter has
// reached.
//
//   voter   1    2    3    4    5          of(id) sorted downwards: 9 7 6 4 2
//   of(id)  7    2    9    6    4          majority is 3, so the third one: 6
template <class Of>
auto reached(Voters voters, Of&& of) {
  CHECK(!voters.empty(), "a majority of nobody");
  using Value = std::decay_t<decltype(of(voters.front()))>;
  boost::container::small_vector<Value, 8> values;
  for (const NodeId id : voters) {
    values.push_back(of(id));
  }
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(majority(values.size()) - 1);
  std::nth_element(values.begin(), nth, values.end(),
                   [](const Value& a, const Value& b) { return a > b; });
  return *nth;
}

// The same for a joint decision: what both halves have reached.
template <class Of>
auto reached(const Joint& joint, Of&& of) {
  const auto incoming = reached(joint.voters, of);
  return joint.outgoing.empty() ? incoming : std::min(incoming, reached(joint.outgoing, of));
}

enum class Verdict : unsigned char { kPending, kWon, kLost };

// The result of a vote with `yes` and `no` of n cast; the others may still come.
Verdict verdict(std::size_t yes, std::size_t no, std::size_t n);

// Lost if either half is lost, won if both are won.
Verdict both(Verdict a, Verdict b);

// of(id): true for yes, false for no, nullopt for a vote that has not come (or that must not
// count).
template <class Of>
Verdict tally(Voters voters, Of&& of) {
  std::size_t yes = 0;
  std::size_t no = 0;
  for (const NodeId id : voters) {
    if (const std::optional<bool> vote = of(id)) {
      ++(*vote ? yes : no);
    }
  }
  return verdict(yes, no, voters.size());
}
template <class Of>
Verdict tally(const Joint& joint, Of&& of) {
  CHECK(!joint.voters.empty(), "a vote among nobody");
  const Verdict incoming = tally(joint.voters, of);
  return joint.outgoing.empty() ? incoming : both(incoming, tally(joint.outgoing, of));
}

}  // namespace kvorum::quorum
