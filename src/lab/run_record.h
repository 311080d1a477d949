// What happened in one play of a scenario: all that its log, history, verdict and report are made
// of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "check/verdict.h"
#include "lab/scenario.h"
#include "model/history.h"

namespace kvorum::lab {

enum class EventKind : std::uint8_t {
  kConnected,  // a client to a node
  kRequest,
  kReply,
  kSlept,
  kFinished,  // a client, with all of its steps
  kFault,     // put in force, or taken off
  kNote,      // anything else worth a line
};

struct Event {
  EventKind kind = EventKind::kNote;
  std::int64_t at_ns = 0;       // since the clients began
  std::int32_t client = -1;     // -1: nobody's
  NodeId node;                  // 0: none
  std::int32_t operation = -1;  // kRequest, kReply: index into RunRecord::history
  std::string text;             // for people, without time and client
};

// A time in which something was wrong.
struct FaultSpan {
  std::int64_t from_ns = 0;
  std::int64_t to_ns = 0;
  std::vector<NodeId> nodes;  // those it is about; of a link both ends
  std::string text;           // "node 2 killed", "cut 1 2"
};

struct Expected {
  std::string
      text;  // "model sequential", "final a = 30", "never client 0: a = 0 and client 1: b = 0"
  bool met = false;
  bool undecided = false;  // the judge ran out of its budget
  std::string why;         // of what is not met, or undecided
};

struct RunRecord {
  Scenario scenario;
  std::uint64_t seed = 0;
  bool simulated = false;
  std::int64_t began_ms = 0;  // wall clock, since 1970: what at_ns and start_ns of 0 stand for
  std::int64_t took_ns = 0;   // from the clients' begin to the last one's end
  // In the order of their starts; times since the clients began. Gets of every key at every node
  // once it was quiet are at the end, marked `final`, with clients of their own.
  std::vector<HistoryRecord> history;
  std::vector<Event> events;  // in the order of their times
  std::vector<FaultSpan> faults;
  check::Verdict verdict;  // of the scenario's model
  std::vector<Expected> expected;
};

}  // namespace kvorum::lab
