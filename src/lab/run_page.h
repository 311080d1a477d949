// A played scenario as one HTML page without outside resources.
#pragma once

#include <string>

#include "check/history.h"
#include "lab/run_record.h"

namespace kvorum::lab {

// What it teaches, verdict, expectations, latencies, and a picture: a row per client and per node
// on one time axis, with the faults, and reads coloured by the age of what they returned
// (lab/read_age.h). `history` is made of the record's, in its order. Of a history too large for a
// browser it holds the operations nearest to the contradiction, or the first, and says so.
std::string run_page(const check::History& history, const RunRecord& record);

}  // namespace kvorum::lab
