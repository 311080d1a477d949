// A verdict for people: lines in the terminal, JSON, and one self-contained HTML page.
#pragma once

#include <string>

#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

// The sentence, the core as a small timeline (a lane per client), the edges, the longest good
// prefix, which weaker model allows it (if given). Lines of at most 110 columns. Empty when ok.
std::string explain_text(const History& history, const Verdict& verdict,
                         const std::string& weaker = {});
std::string explain_json(const History& history, const Verdict& verdict,
                         const std::string& weaker = {});
// A row per client, bars on a time axis, offenders marked, details on hover; opens on the window
// around the core, and can be moved and zoomed. No outside resource.
std::string explain_html(const History& history, const Verdict& verdict,
                         const std::string& weaker = {});

}  // namespace kvorum::check
