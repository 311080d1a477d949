#include "net/poller.h"

#include <sys/epoll.h>

#include <utility>

#include "base/check.h"

namespace kvorum::net {

Poller::Poller(Loop& loop, Ready ready) : epoll_(loop.io()), ready_(std::move(ready)) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll >= 0, "no descriptor is left for an epoll instance");
  epoll_.assign(epoll);
  watch();
}

bool Poller::add(int socket, std::uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = key;
  return epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, socket, &event) == 0;
}

void Poller::watch() {
  epoll_.async_wait(decltype(epoll_)::wait_read, [this](const ErrorOf& cancelled) {
    if (!cancelled) {
      poll();
      watch();
    }
  });
}

// What is more than one batch is there the next time, too.
void Poller::poll() {
  std::array<epoll_event, kAtOnce> events;
  const int count = epoll_wait(epoll_.native_handle(), events.data(), kAtOnce, 0);
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    const bool broken = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    ready_(event.data.u64,
           {(event.events & EPOLLIN) != 0 || broken, (event.events & EPOLLOUT) != 0, broken});
  }
}

}  // namespace kvorum::net
