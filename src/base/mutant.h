// Planted bugs, to test the tests (DeMillo, Lipton, Sayward: Hints on test data selection, 1978). A
// build with -DKVORUM_MUTANTS=ON has them all, and `kvorum --mutant NAME` wakes one; in every other
// build KVORUM_MUTANT is the constant false and nothing of them is left.
#pragma once

#ifdef KVORUM_MUTANTS

#include <cstdint>
#include <string_view>
#include <vector>

namespace kvorum {

enum class Mutant : std::uint8_t {
  kNone,
#define KVORUM_MUTANT_ROW(name, word, text) name,
#include "base/mutants.def"
#undef KVORUM_MUTANT_ROW
};

// Whether this one was picked. Any thread.
bool mutant(Mutant which);
// Before any thread starts. False: no such word.
bool pick_mutant(std::string_view word);

struct MutantInfo {
  std::string_view word;
  std::string_view text;
};
const std::vector<MutantInfo>& mutants();

}  // namespace kvorum

#define KVORUM_MUTANT(name) (::kvorum::mutant(::kvorum::Mutant::name))
#else
#define KVORUM_MUTANT(name) false
#endif
