// A played scenario as lines of text: for people, and in the form of older systems' logs.
#pragma once

#include <string>
#include <vector>

#include "lab/latency.h"
#include "lab/run_record.h"

namespace kvorum::lab {

// "   12.345 ms  client 0   request    put a = 10", without a newline.
std::string line(const Event& event);
// All events, a line each.
std::string run_log(const RunRecord& record);

// What an older system calls output_log<id>.txt: of each operation that was asked of this server a
// line when it was asked and one when it was answered, in the order of their times:
//
//   session,client,op,key,milliseconds since 1970,req|resp,value
//
// The session is the run's begin. Neither has a get's req a value, nor what is absent; blanks,
// commas, per cents and control characters are written as % and two hex digits. An operation
// whose outcome is unknown has no answer; nor has one that failed, for which the form has no word.
std::string output_log(const RunRecord& record, NodeId server);

// The datagrams that feed the older systems' visualizer (UDP, 127.0.0.1:1234): "START,<session>",
// then the lines of all servers' logs by time. It forgets one of two events in the same
// millisecond, so each is moved to at least a millisecond behind the one before it.
std::vector<std::string> visualizer_lines(const RunRecord& record);

}  // namespace kvorum::lab
