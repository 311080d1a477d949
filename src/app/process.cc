#include "app/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 forgets to say that these are C functions
}

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace kvorum::app {
namespace {

constexpr int kExecFailed = 127;

// The child's side of spawn(): only calls that are safe between fork and exec.
[[noreturn]] void become(char* const* arguments, int log, pid_t parent, Orphan orphan) {
  ::setsid();
  if (orphan != Orphan::kLives) {
    ::prctl(PR_SET_PDEATHSIG, orphan == Orphan::kStops ? SIGTERM : SIGKILL);
    if (::getppid() != parent) {
      ::_exit(kExecFailed);  // it ended before that was asked for
    }
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(arguments[0], arguments);
  ::_exit(kExecFailed);
}

std::vector<std::string> command_line(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) {
    words.push_back(word);
  }
  return words;
}

}  // namespace

std::optional<Process> Process::find(pid_t pid, const std::vector<std::string>& arguments) {
  const int descriptor = pid > 0 ? ::pidfd_open(pid, 0) : -1;
  if (descriptor < 0) {
    return std::nullopt;
  }
  Process process(pid, descriptor);
  // Read after the descriptor was opened: if it fits, the descriptor is that process's.
  const auto words = command_line(pid);
  const auto at = std::search(words.begin(), words.end(), arguments.begin(), arguments.end());
  return at == words.end() ? std::nullopt : std::optional(std::move(process));
}

Result<Process> Process::spawn(const std::vector<std::string>& command, const std::string& log_path,
                               Orphan orphan) {
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) {
    return fail(ErrorCode::kIo, "{}: {}", log_path, std::strerror(errno));
  }
  std::vector<char*> arguments;
  for (const auto& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const pid_t self = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(arguments.data(), log, self, orphan);
  }
  const int fork_errno = errno;
  ::close(log);
  if (pid < 0) {
    return fail(ErrorCode::kIo, "can't start a process: {}", std::strerror(fork_errno));
  }
  const int descriptor = ::pidfd_open(pid, 0);
  if (descriptor < 0) {
    return fail(ErrorCode::kIo, "can't watch process {}: {}", pid, std::strerror(errno));
  }
  return Process(pid, descriptor);
}

Process::Process(Process&& other) noexcept
    : pid_(other.pid_), descriptor_(std::exchange(other.descriptor_, -1)) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Process::~Process() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

void Process::signal(int number) const { ::pidfd_send_signal(descriptor_, number, nullptr, 0); }

bool Process::wait(Duration timeout) const {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::max(timeout, Duration(0)));
  pollfd watched{descriptor_, POLLIN, 0};
  if (::poll(&watched, 1, static_cast<int>(ms.count())) != 1) {
    return false;
  }
  siginfo_t ended{};
  ::waitid(P_PIDFD, static_cast<id_t>(descriptor_), &ended,
           WEXITED | WNOHANG);  // if a child of ours
  return true;
}

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

Result<std::uint16_t> free_port() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int door = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound = ::bind(door, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(door, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const int why = errno;
  ::close(door);
  if (!bound) {
    return fail(ErrorCode::kIo, "no free port: {}", std::strerror(why));
  }
  return ntohs(address.sin_port);
}

bool port_is_free(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  const int door = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool free = ::bind(door, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    ::listen(door, 1) == 0;
  const int why = errno;
  ::close(door);
  errno = why;
  return free;
}

}  // namespace kvorum::app
