// What comes back for the shell's words, as they show it.
#pragma once

#include <string>

#include "app/shell_words.h"
#include "wire/reply_parser.h"

namespace kvorum::app {

// KV.DUMP's rows as one map: key, value; of several values that stand side by side, an array.
wire::Reply pairs_of(const wire::Reply& dump);

// A pair a line.
std::string format_pairs(const wire::Reply& pairs);

// KV.SEND's answer, a node a line, with the system times of both ends.
std::string format_deliveries(const wire::Reply& deliveries);

// An insert of a key that is there, an update or a delete of one that is not.
wire::Reply refusal_of(const Plan& plan);

wire::Reply status_reply(Bytes text);

}  // namespace kvorum::app
