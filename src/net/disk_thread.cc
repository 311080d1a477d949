#include "net/disk_thread.h"

#include <iterator>
#include <utility>

namespace kvorum::net {

DiskThread::DiskThread(node::Disk& disk, Done done)
    : disk_(disk), done_(std::move(done)), thread_([this] { work(); }) {}

DiskThread::~DiskThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void DiskThread::push(std::vector<node::DiskJob>& jobs) {
  if (jobs.empty()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      waiting_.swap(jobs);
    } else {
      waiting_.insert(waiting_.end(), std::make_move_iterator(jobs.begin()),
                      std::make_move_iterator(jobs.end()));
    }
  }
  jobs.clear();
  wake_.notify_one();
}

void DiskThread::work() {
  while (true) {
    std::vector<node::DiskJob> jobs;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (stop_) {
        return;
      }
      jobs.swap(waiting_);
    }
    std::vector<node::DiskDone> done;
    disk_.run(std::move(jobs), done);
    if (const auto extra = extra_.load(); extra > Duration()) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, extra, [this] { return stop_; });
    }
    if (!done.empty()) {
      done_(std::move(done));
    }
  }
}

}  // namespace kvorum::net
