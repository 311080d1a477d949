#include "base/mutant.h"

#ifdef KVORUM_MUTANTS

namespace kvorum {
namespace {

Mutant picked = Mutant::kNone;

}  // namespace

bool mutant(Mutant which) { return which == picked; }

const std::vector<MutantInfo>& mutants() {
  static const std::vector<MutantInfo> all = {
#define KVORUM_MUTANT_ROW(name, word, text) {word, text},
#include "base/mutants.def"
#undef KVORUM_MUTANT_ROW
  };
  return all;
}

bool pick_mutant(std::string_view word) {
  for (std::size_t i = 0; i < mutants().size(); ++i) {
    if (mutants()[i].word == word) {
      picked = static_cast<Mutant>(i + 1);
      return true;
    }
  }
  return false;
}

}  // namespace kvorum

#endif
