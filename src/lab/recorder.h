// What the clients of a play write down, all at once, and how they wait for one another.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "lab/run_record.h"

namespace kvorum::lab {

// Thread: any, unless said otherwise.
class Recorder {
 public:
  // `tell` is given each event as it happens, one after the other; `now_ns` is the time since the
  // clients began, by any thread.
  Recorder(std::function<void(const Event&)> tell, std::function<std::int64_t()> now_ns)
      : tell_(std::move(tell)), now_ns_(std::move(now_ns)) {}

  std::int64_t now_ns() const { return now_ns_(); }

  // A request is sent now; its number.
  std::size_t begin(const HistoryRecord& record);
  // Its answer has come now, or it was given up. Counts as behind its client.
  void end(std::size_t number, HistoryRecord record);
  void add(EventKind kind, std::int32_t client, NodeId node, std::string text);

  bool has_happened(const Await& what);
  std::size_t behind();  // requests of all clients that have ended

  // A client has done all its steps.
  void finished(std::int32_t client, NodeId node);
  bool all_finished(std::size_t clients);
  // Nobody waits for anything any more.
  void stop();
  bool stopped();

  // Faults that clients want to happen between two of their requests: they are granted in the order
  // in which they were asked for.
  struct Wanted {
    std::size_t number = 0;
    FaultAction action;
  };
  std::size_t want(const FaultAction& action);  // its number
  bool is_granted(std::size_t number);
  bool wants();
  std::optional<Wanted> take_wanted();
  void granted(const Wanted& wanted);

  // These wait, in real time. False: the play is over before that.
  bool wait_for(const Await& what);
  bool wait_for_grant(std::size_t number);
  bool sleep(Duration time);
  // Until take_wanted() has one, or `clients` have finished.
  void await_wanted(Duration at_most, std::size_t clients);

  // After everything: history and events, in order.
  void take(RunRecord& record);

 private:
  void push(Event event);  // holds the mutex

  const std::function<void(const Event&)> tell_;
  const std::function<std::int64_t()> now_ns_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<HistoryRecord> history_;
  std::vector<Event> events_;
  std::map<std::uint32_t, std::size_t> behind_;  // per client: requests that have ended
  std::size_t all_behind_ = 0;
  std::deque<Wanted> wanted_;
  std::size_t asked_ = 0;
  std::size_t granted_ = 0;
  std::size_t finished_ = 0;
  bool stopped_ = false;
};

}  // namespace kvorum::lab
