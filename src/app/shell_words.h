// The shell's own words (put, insert, ...): what each sends to a node. They are words of the older
// systems that kvorum stands in for.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace kvorum::app {

// What a level's number means.
enum class Rules : unsigned char {
  kPlain,  // as in KV.AT: 1 is one, 9 is all
  k2015,   // 1 linearizable, 2 sequential, 3 w=1,r=1, 4 w=2,r=2
};

enum class Word : unsigned char {
  kGet,
  kPut,
  kInsert,
  kUpdate,
  kDelete,
  kShowAll,
  kSearch,
  kWhere,
  kDump,
  kDelay,
  kSend,
  kBcast,
};

struct WordSpec {
  Word word;
  ByteView name;
  ByteView syntax;                  // the arguments, for people
  ByteView summary;                 // one line, for people
  std::size_t least = 0, most = 0;  // arguments
};

std::span<const WordSpec> shell_words();
// In any case; null: no word of the shell's.
const WordSpec* find_word(ByteView name);

struct Plan {
  Word word = Word::kGet;
  Bytes key;                   // of the words that have one
  std::vector<Bytes> command;  // the one request that does it all; kDelay: none
  // Where no request can do it all, as in a leaderless keyspace: what to ask first (how many keys
  // there are), and the command then. Empty: `command` alone does.
  std::vector<Bytes> check;
  std::vector<Bytes> unchecked;
  Duration delay{};  // kDelay
};

// None: not a line of the shell's, but a node's command. Errors are for people: a usage line, or
// what is wrong with a level.
Result<std::optional<Plan>> plan(std::span<const ByteView> args, Rules rules);

}  // namespace kvorum::app
