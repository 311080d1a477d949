#include "app/process_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace kvorum::app {
namespace {

Duration duration_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

node::CpuTime cpu_time() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) {
    return {};
  }
  return {duration_of(usage.ru_utime), duration_of(usage.ru_stime)};
}

front::ProcessFigures process_figures(double start_seconds) {
  front::ProcessFigures figures;
  figures.start_seconds = start_seconds;
  const auto cpu = cpu_time();
  figures.cpu_seconds = std::chrono::duration<double>(cpu.user + cpu.system).count();
  std::ifstream statm("/proc/self/statm");
  double total_pages = 0;
  double resident_pages = 0;
  if (statm >> total_pages >> resident_pages) {
    figures.resident_bytes = resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
  }
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd", failed)) {
    static_cast<void>(file);
    ++figures.open_files;
  }
  return figures;
}

}  // namespace kvorum::app
