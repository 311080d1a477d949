#include "lab/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "lab/requests.h"

namespace kvorum::lab {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

void Recorder::push(Event event) {
  event.at_ns = now_ns();
  if (tell_) {
    tell_(event);
  }
  events_.push_back(std::move(event));
}

std::size_t Recorder::begin(const HistoryRecord& record) {
  const std::lock_guard lock(mutex_);
  const auto number = history_.size();
  history_.push_back(record);
  Event event;
  event.kind = EventKind::kRequest;
  event.client = static_cast<std::int32_t>(record.client);
  event.node = NodeId(record.node);
  event.operation = static_cast<std::int32_t>(number);
  event.text = describe(record);
  push(std::move(event));
  history_[number].start_ns = now_ns();
  history_[number].ended = Ended::kUnknown;  // until it has
  return number;
}

void Recorder::end(std::size_t number, HistoryRecord record) {
  const auto end_ns = now_ns();
  const std::lock_guard lock(mutex_);
  record.start_ns = history_[number].start_ns;
  record.end_ns = end_ns;
  Event event;
  event.kind = EventKind::kReply;
  event.client = static_cast<std::int32_t>(record.client);
  event.node = NodeId(record.node);
  event.operation = static_cast<std::int32_t>(number);
  event.text = describe(record) + ": " + describe_outcome(record);
  push(std::move(event));
  ++behind_[record.client];
  ++all_behind_;
  history_[number] = std::move(record);
  changed_.notify_all();
}

void Recorder::add(EventKind kind, std::int32_t client, NodeId node, std::string text) {
  const std::lock_guard lock(mutex_);
  Event event;
  event.kind = kind;
  event.client = client;
  event.node = node;
  event.text = std::move(text);
  push(std::move(event));
}

bool Recorder::wait_for(const Await& what) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopped_ || behind_[what.client] >= what.requests; });
  return !stopped_;
}

bool Recorder::has_happened(const Await& what) {
  const std::lock_guard lock(mutex_);
  return behind_[what.client] >= what.requests;
}

bool Recorder::sleep(Duration time) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, Clock::now() + time, [&] { return stopped_; });
  return !stopped_;
}

std::size_t Recorder::behind() {
  const std::lock_guard lock(mutex_);
  return all_behind_;
}

std::size_t Recorder::want(const FaultAction& action) {
  const std::lock_guard lock(mutex_);
  wanted_.push_back({++asked_, action});
  changed_.notify_all();
  return asked_;
}

bool Recorder::is_granted(std::size_t number) {
  const std::lock_guard lock(mutex_);
  return granted_ >= number;
}

bool Recorder::wait_for_grant(std::size_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopped_ || granted_ >= number; });
  return !stopped_;
}

void Recorder::finished(std::int32_t client, NodeId node) {
  const std::lock_guard lock(mutex_);
  Event event;
  event.kind = EventKind::kFinished;
  event.client = client;
  event.node = node;
  event.text = fmt::format("after {:.3f} ms", static_cast<double>(now_ns()) / 1e6);
  push(std::move(event));
  ++finished_;
  changed_.notify_all();
}

void Recorder::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

bool Recorder::stopped() {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

void Recorder::await_wanted(Duration at_most, std::size_t clients) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, Clock::now() + at_most,
                      [&] { return !wanted_.empty() || finished_ == clients; });
}

bool Recorder::wants() {
  const std::lock_guard lock(mutex_);
  return !wanted_.empty();
}

std::optional<Recorder::Wanted> Recorder::take_wanted() {
  const std::lock_guard lock(mutex_);
  if (wanted_.empty()) {
    return std::nullopt;
  }
  auto wanted = std::move(wanted_.front());
  wanted_.pop_front();
  return wanted;
}

void Recorder::granted(const Wanted& wanted) {
  const std::lock_guard lock(mutex_);
  granted_ = wanted.number;
  changed_.notify_all();
}

bool Recorder::all_finished(std::size_t clients) {
  const std::lock_guard lock(mutex_);
  return finished_ == clients;
}

void Recorder::take(RunRecord& record) {
  const std::lock_guard lock(mutex_);
  record.history = std::move(history_);
  record.events = std::move(events_);
  record.took_ns = record.events.empty() ? 0 : record.events.back().at_ns;
}

}  // namespace kvorum::lab
