// Which writes an operation's outcome can have come from.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "check/frame.h"
#include "check/values.h"

namespace kvorum::check {

inline constexpr Node kInitial = 0xfffffffe;  // as the first of a chain: nothing set the value

// The writes that made a value: the one that set it whole (or kInitial), then what was appended or
// added to that.
struct Chain {
  std::vector<Node> writes;
  bool ordered = true;  // false: what was added, was added in any order

  Node base() const { return writes.front(); }
};

// How cas and incr count when values are explained.
enum class Fold : std::uint8_t {
  kOneOrder,   // each takes effect once, in one order: an incr that returned 5 made it 5
  kEverySite,  // an incr adds wherever it arrives (a cas writes its value everywhere)
  kPrefixes    // as kOneOrder, and an observation has no place in its session
};

struct Origins {
  std::vector<Chain> chains;
  bool complete = true;  // false: there may be others
  bool whatever =
      false;  // a compare that failed, with a value that the key never had: says nothing
};

class OriginFinder {
 public:
  OriginFinder(const Frame& frame, Fold fold);

  // What the node's observation can have come from: for a cas that succeeded, and an incr, what it
  // found. Never the node itself.
  Origins of(Node node);

 private:
  struct Key {
    std::set<std::size_t> base_lengths;   // of values set whole; 0 for absent
    std::set<std::size_t> token_lengths;  // of what was appended
    std::vector<Node> added;              // incr
    bool appended = false;
  };
  struct Stripping;

  void index(Node node);
  bool sets_whole(Node node) const;
  const std::vector<Node>& setters(std::uint32_t key, Text value) const;
  void add_whole(Node node, Text value, Origins& found) const;
  void add_other(Node node, Text value, Origins& found);
  void add_appended(Node node, Text value, Origins& found);
  void strip(Stripping& at, std::size_t length);
  void add_sums(Node node, std::int64_t wanted, Origins& found);
  void sums(const Chain& chain, std::size_t from, std::int64_t missing, Node node, Origins& found);
  bool too_many_steps();
  void drop_future(Node node, Origins& found) const;

  const Frame& frame_;
  const Fold fold_;
  std::vector<Key> keys_;
  std::unordered_map<std::uint64_t, std::vector<Node>> setters_;  // (key, value)
  std::unordered_map<std::uint64_t, std::vector<Node>> tokens_;   // (key, appended text)
  std::uint64_t steps_ = 0;  // of taking the present value apart
  std::uint64_t all_steps_ = 0;
};

}  // namespace kvorum::check
