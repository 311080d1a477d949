// A verdict for people: lines in the terminal, JSON, and one self-contained HTML page.
#pragma once

#include <string>

#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

// `weaker` names a model that allows the history, if one is known; `command` repeats the judgement
// (empty: the plain one on the history's source).

// The sentence, the core as a small timeline (a lane per client), the edges, the longest good
// prefix, the weaker model, the command. Lines of at most 110 columns. Empty when ok.
std::string explain_text(const History& history, const Verdict& verdict,
                         const std::string& weaker = {}, const std::string& command = {});
// One JSON object, without a newline.
std::string explain_json(const History& history, const Verdict& verdict,
                         const std::string& weaker = {}, const std::string& command = {});
// A row per client, bars on a time axis, offenders marked, details on hover; opens on the window
// around the core, and can be moved and zoomed. No outside resource. Of a history too large for a
// browser it holds the operations nearest to the core, and says so.
std::string explain_html(const History& history, const Verdict& verdict,
                         const std::string& weaker = {}, const std::string& command = {});

}  // namespace kvorum::check
