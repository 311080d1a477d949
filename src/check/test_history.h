// For tests: small histories in a few words.
#pragma once

#include <string_view>
#include <vector>

#include "check/history.h"

namespace kvorum::check {

// One operation a line, or several separated by ';':
//
//   CLIENT OP KEY ARGS START-END [fail|err|final|level=L|node=N|version=V]...
//
//   0 put x 1 0-10          1 get x 1 5-8           2 get x - 9-9 (read absent)
//   3 cas x 1>2 0-4         3 cas x 1>2 0-4 fail (compare failed)        3 cas x ->1 0-4
//   1 append x a 3-7        2 incr x +5=7 1-2 (by 5, became 7)           0 delete x 11-12
//   0 put x 1 3-? (unknown outcome)                 1 put x 2 1-2 err (never ran)
//
// Times are ns. "initial x=0" states a key's first value. Anything else is a CHECK failure.
History small_history(std::string_view text);
// The operations alone; nothing else may be among them.
std::vector<HistoryRecord> small_records(std::string_view text);

}  // namespace kvorum::check
