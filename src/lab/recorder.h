// What the clients of a play write down, all at once, and how they wait for one another.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "base/time.h"
#include "lab/run_record.h"

namespace kvorum::lab {

// Thread: any, unless said otherwise.
class Recorder {
 public:
  // `tell` is given each event as it happens, one after the other.
  explicit Recorder(std::function<void(const Event&)> tell)
      : began_(std::chrono::steady_clock::now()), tell_(std::move(tell)) {}

  std::int64_t now_ns() const;
  std::chrono::steady_clock::time_point began() const { return began_; }

  // A request is sent now; its number.
  std::size_t begin(const HistoryRecord& record);
  // Its answer has come now, or it was given up. Counts as behind its client.
  void end(std::size_t number, HistoryRecord record);
  void add(EventKind kind, std::int32_t client, NodeId node, std::string text);

  // False: the play is over before that.
  bool wait_for(const Await& what);
  bool has_happened(const Await& what);
  // Waits; false if the play is over before that.
  bool sleep(Duration time);

  // A client asks for a fault, and waits until it has happened. False: the play is over.
  bool ask_for(const FaultAction& action);
  // A client has done all its steps.
  void finished(std::int32_t client, NodeId node);
  // Nobody waits for anything any more.
  void stop();
  bool stopped();

  struct Wanted {
    std::size_t number = 0;
    FaultAction action;
  };
  // The one who plays: the next fault that a client waits for, if one comes before `until` or
  // `clients` have finished.
  std::optional<Wanted> next_wanted(std::chrono::steady_clock::time_point until,
                                    std::size_t clients);
  void granted(const Wanted& wanted);
  bool all_finished(std::size_t clients);

  // After everything: history and events, in order.
  void take(RunRecord& record);

 private:
  void push(Event event);  // holds the mutex

  const std::chrono::steady_clock::time_point began_;
  const std::function<void(const Event&)> tell_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<HistoryRecord> history_;
  std::vector<Event> events_;
  std::map<std::uint32_t, std::size_t> behind_;  // per client: requests that have ended
  std::deque<Wanted> wanted_;
  std::size_t asked_ = 0;
  std::size_t granted_ = 0;  // faults are granted in the order in which they were asked for
  std::size_t finished_ = 0;
  bool stopped_ = false;
};

}  // namespace kvorum::lab
