// Other processes, as `kvorum cluster` starts, finds, signals and awaits them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace kvorum::app {

// What becomes of a process when the one that started it ends, however that ends.
enum class Orphan : std::uint8_t {
  kLives,
  kStops,  // SIGTERM; one that is frozen stays
  kDies,   // SIGKILL
};

// A running process, held by a descriptor: a number that the system gives to another process
// later is never mistaken for it.
class Process {
 public:
  // The process `pid`, if it runs and its command line has `arguments` in a row; empty otherwise.
  static std::optional<Process> find(pid_t pid, const std::vector<std::string>& arguments);

  // Starts `command`, its output appended to `log_path`, in a session of its own, so that a Ctrl-C
  // at the terminal does not reach it. The calling thread must live as long as this process.
  static Result<Process> spawn(const std::vector<std::string>& command, const std::string& log_path,
                               Orphan orphan);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // True once it has ended; a child of ours is reaped.
  bool wait(Duration timeout) const;

 private:
  Process(pid_t pid, int descriptor) : pid_(pid), descriptor_(descriptor) {}

  pid_t pid_ = 0;
  int descriptor_ = -1;
};

// This program's own file.
std::string own_path();

// True if nobody listens there. False and errno EADDRINUSE if somebody does; other failures leave
// another errno.
bool port_is_free(const std::string& host, std::uint16_t port);

// A port of the loopback that nobody listens on now, chosen by the system.
Result<std::uint16_t> free_port();

}  // namespace kvorum::app
