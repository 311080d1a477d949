// The thread that runs disk jobs, so that no write ever blocks the event loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "node/disk.h"

namespace kvorum::net {

class DiskThread {
 public:
  // `done` is called on the disk thread, once per batch.
  using Done = std::function<void(std::vector<node::DiskDone>)>;

  DiskThread(node::Disk& disk, Done done);
  ~DiskThread();  // finishes the batch at hand, drops what waits
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  // Takes the jobs out of `jobs`. What waits is bounded by the node, which pauses clients while its
  // writes are open.
  void push(std::vector<node::DiskJob>& jobs);
  // Each batch takes so much longer from now on (KV.FAULT disk).
  void slow(Duration extra) { extra_ = extra; }

 private:
  void work();

  node::Disk& disk_;
  Done done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<node::DiskJob> waiting_;
  bool stop_ = false;
  std::atomic<Duration> extra_ = Duration();
  std::thread thread_;
};

}  // namespace kvorum::net
