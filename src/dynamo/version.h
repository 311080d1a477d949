// A leaderless key's versions: dotted version vector sets (Preguica et al., PODC 2012; Almeida et
// al., Scalable and accurate causality tracking for eventually consistent stores, DAIS 2014).
//
// A row is what one replica knows of one key: the context says which dots it has seen, the siblings
// are those of them that nothing it has seen supersedes; so a context covers its row's siblings.
// Rows travel whole; merging them is associative, commutative and idempotent, so repeats and
// disorder do no harm.
//
// Counters run over all keys of a replica, so a context's entry covers many dots that are no
// versions of its key. It covers none that is one and that the row has not seen, as long as
// - a replica makes a dot for a key only from the row that holds all its earlier dots for it, and
// - a new dot is above what its row and its writer have seen of its replica.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/error.h"
#include "model/dot.h"
#include "model/keyspace.h"

namespace kvorum::dynamo {

// Per replica, the highest counter seen. Ascending by replica, no zero counters.
class Context {
 public:
  struct Seen {
    ReplicaId replica;
    std::uint64_t counter = 0;
    friend auto operator<=>(const Seen&, const Seen&) = default;
  };

  bool covers(const Dot& dot) const;
  bool covers(const Context& other) const;
  void add(const Dot& dot);
  void merge(const Context& other);  // entry-wise greatest
  // Entry-wise least; what only one of them has is dropped.
  void meet(const Context& other);
  bool empty() const { return seen_.empty(); }
  std::uint64_t of(ReplicaId replica) const;  // 0: nothing
  const boost::container::small_vector<Seen, 2>& seen() const { return seen_; }
  void clear() { seen_.clear(); }
  // What is above all that is there.
  void append(const Seen& seen) { seen_.push_back(seen); }
  friend bool operator==(const Context&, const Context&) = default;

 private:
  boost::container::small_vector<Seen, 2> seen_;
};

struct Sibling {
  Dot dot;
  HybridTime stamp;
  bool deleted = false;            // a tombstone
  std::optional<WallMs> deadline;  // absolute, computed once where it was written
  Bytes value;
  bool cold = false;  // its value is on the disk alone (table.h), and empty here

  // Whether a reader at this time sees nothing.
  bool gone(WallMs now) const { return deleted || (deadline && *deadline <= now); }
  friend bool operator==(const Sibling&, const Sibling&) = default;
};

struct Row {
  Context context;
  boost::container::small_vector<Sibling, 1> siblings;  // ascending by dot

  bool cold() const;  // some value is on the disk alone
  friend bool operator==(const Row&, const Row&) = default;
};

// `from` merged into `into`: a sibling stays if both have it, or if the other has not seen its dot.
// If that would leave none of siblings on both sides, those of the row that has seen more stay, or
// all: without settle() it can't happen, but a rule that is not causal (kLexical; kLww where a
// write has a smaller stamp than what it has seen) can let each of two rows drop what the other
// settled for, and a key must not vanish so. Replicas that merge and settle still end alike. Two
// siblings of one dot that differ, which no two replicas have: the greater one stays; of one dot,
// what is cold is what the other one is. True: `into` changed.
bool merge(Row& into, const Row& from);
// Whether that gives `from`: one write that has seen all that is in the row, what mostly comes.
bool supersedes(const Row& from, const Row& row);
// A new write that has seen `seen`: supersedes what it covers, stands beside the rest. Its dot must
// be new (above).
void put(Row& row, Sibling fresh, const Context& seen);
// Leaves what the rule leaves; the others, losers of concurrent writes, are appended to `losers`.
// The context stays. Deterministic: any replica leaves the same. Under kSiblings a tombstone beside
// a live value is no loser and stays until covered; under kLexical it loses to any value.
void settle(Row& row, Conflict conflict, std::vector<Sibling>& losers);

void encode(const Context& context, Bytes& out);
bool decode(Reader& reader, Context& context);
void encode(const Row& row, Bytes& out);  // which is not cold
bool decode(Reader& reader, Row& row);    // false: malformed; nothing may be read from `row` then

// What a client carries from a get to a put: hex of the encoded context. Empty text: an empty one.
// Nothing in it proves that its counters were ever issued. Refused beyond kMaxReplicasInText.
inline constexpr std::size_t kMaxReplicasInText = 256;
std::string to_text(const Context& context);
Result<Context> parse_context(ByteView text);

// Of a key with its row: over key, context, every dot, stamp, tombstone and deadline; not over the
// values, which their dots name. Expiry changes nothing in it.
std::uint64_t fingerprint(ByteView key, const Row& row);
// The same, of a key whose checksum is known.
std::uint64_t fingerprint(std::uint64_t key_sum, const Row& row);

}  // namespace kvorum::dynamo
