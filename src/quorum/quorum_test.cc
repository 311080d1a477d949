// The arithmetic against a naive model that tries every value and counts heads.
#include "quorum/quorum.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

namespace kvorum::quorum {
namespace {

using Values = std::map<NodeId, std::uint64_t>;

std::vector<NodeId> ids(const std::vector<unsigned>& raw) {
  std::vector<NodeId> out;
  for (const unsigned id : raw) {
    out.push_back(NodeId(id));
  }
  return out;
}

bool naive_holds(Voters voters, const Values& values, std::uint64_t least) {
  std::size_t have = 0;
  for (const NodeId id : voters) {
    have += values.at(id) >= least ? 1 : 0;
  }
  return 2 * have > voters.size();
}

std::uint64_t naive_reached(Voters voters, const Values& values) {
  std::uint64_t best = 0;
  for (std::uint64_t candidate = 0; candidate <= 20; ++candidate) {
    if (naive_holds(voters, values, candidate)) {
      best = candidate;
    }
  }
  return best;
}

// One to nine of the ids 1 to 9, ascending.
std::vector<NodeId> any_voters() {
  const auto mask = *rc::gen::inRange(1u, 1u << 9);
  std::vector<NodeId> out;
  for (unsigned bit = 0; bit < 9; ++bit) {
    if ((mask >> bit & 1) != 0) {
      out.push_back(NodeId(bit + 1));
    }
  }
  return out;
}

Values any_values() {
  Values values;
  for (unsigned id = 1; id <= 12; ++id) {
    values[NodeId(id)] = *rc::gen::inRange<std::uint64_t>(0, 20);
  }
  return values;
}

std::map<NodeId, std::optional<bool>> any_votes() {
  std::map<NodeId, std::optional<bool>> votes;
  for (unsigned id = 1; id <= 12; ++id) {
    const int draw = *rc::gen::inRange(0, 3);
    votes[NodeId(id)] = draw == 2 ? std::nullopt : std::optional(draw == 1);
  }
  return votes;
}

TEST(Majority, IsTheLeastThatAlwaysOverlaps) {
  for (std::size_t n = 1; n <= 100; ++n) {
    EXPECT_GT(2 * majority(n), n);
    EXPECT_LE(2 * (majority(n) - 1), n);
  }
}

TEST(Reached, TheDrawingInTheHeader) {
  const auto voters = ids({1, 2, 3, 4, 5});
  const Values values = {
      {NodeId(1), 7}, {NodeId(2), 2}, {NodeId(3), 9}, {NodeId(4), 6}, {NodeId(5), 4}};
  EXPECT_EQ(reached(Voters(voters), [&](NodeId id) { return values.at(id); }), 6u);
}

TEST(Reached, ASingleVoterDecidesAlone) {
  const auto voters = ids({4});
  EXPECT_EQ(reached(Voters(voters), [](NodeId) { return 17; }), 17);
}

TEST(Reached, WorksForAnythingThatIsOrdered) {
  const auto voters = ids({1, 2, 3});
  EXPECT_EQ(reached(Joint{voters, {}}, [](NodeId id) { return Index(id.value() * 10); }),
            Index(20));
}

RC_GTEST_PROP(Reached, AgreesWithCounting, ()) {
  const auto voters = any_voters();
  const auto values = any_values();
  RC_ASSERT(reached(Voters(voters), [&](NodeId id) { return values.at(id); }) ==
            naive_reached(voters, values));
}

RC_GTEST_PROP(Reached, JointIsHeldByBothHalvesAndNothingMoreIs, ()) {
  const auto voters = any_voters();
  const auto outgoing = any_voters();
  const auto values = any_values();
  const auto at = reached(Joint{voters, outgoing}, [&](NodeId id) { return values.at(id); });
  RC_ASSERT(naive_holds(voters, values, at) && naive_holds(outgoing, values, at));
  RC_ASSERT(!(naive_holds(voters, values, at + 1) && naive_holds(outgoing, values, at + 1)));
}

RC_GTEST_PROP(Reached, NeverFallsWhenAVoterAdvances, ()) {
  const auto voters = any_voters();
  const auto outgoing = any_voters();
  auto values = any_values();
  const Joint joint{voters, outgoing};
  const auto of = [&](NodeId id) { return values.at(id); };
  const auto before = reached(joint, of);
  values[*rc::gen::elementOf(voters)] += *rc::gen::inRange<std::uint64_t>(0, 20);
  RC_ASSERT(reached(joint, of) >= before);
}

RC_GTEST_PROP(Tally, AgreesWithTryingOutTheMissingVotes, ()) {
  const auto voters = any_voters();
  const auto votes = any_votes();
  std::size_t yes = 0;
  std::size_t missing = 0;
  for (const NodeId id : voters) {
    yes += votes.at(id) == true ? 1 : 0;
    missing += votes.at(id) ? 0 : 1;
  }
  const bool surely = 2 * yes > voters.size();
  const bool possibly = 2 * (yes + missing) > voters.size();
  const auto expected = surely ? Verdict::kWon : possibly ? Verdict::kPending : Verdict::kLost;
  RC_ASSERT(tally(Voters(voters), [&](NodeId id) { return votes.at(id); }) == expected);
}

RC_GTEST_PROP(Tally, JointNeedsBothHalves, ()) {
  const auto voters = any_voters();
  const auto outgoing = any_voters();
  const auto votes = any_votes();
  const auto of = [&](NodeId id) { return votes.at(id); };
  const auto a = tally(Voters(voters), of);
  const auto b = tally(Voters(outgoing), of);
  const auto joint = tally(Joint{voters, outgoing}, of);
  RC_ASSERT((joint == Verdict::kWon) == (a == Verdict::kWon && b == Verdict::kWon));
  RC_ASSERT((joint == Verdict::kLost) == (a == Verdict::kLost || b == Verdict::kLost));
}

RC_GTEST_PROP(Tally, NoTwoDisjointGroupsBothWin, ()) {
  const auto voters = any_voters();
  const auto votes = any_votes();
  const auto yes = tally(Voters(voters), [&](NodeId id) { return votes.at(id); });
  const auto others = tally(Voters(voters), [&](NodeId id) -> std::optional<bool> {
    const auto vote = votes.at(id);
    return vote ? std::optional(!*vote) : std::nullopt;
  });
  RC_ASSERT(!(yes == Verdict::kWon && others == Verdict::kWon));
}

TEST(TallyDeathTest, MoreVotesThanVotersIsABug) {
  EXPECT_DEATH(verdict(2, 2, 3), "2 yes and 2 no of 3");
}

}  // namespace
}  // namespace kvorum::quorum
