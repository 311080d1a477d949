// What the system says of this process: for INFO, and for /metrics.
#pragma once

#include "front/http_exchange.h"
#include "node/options.h"

namespace kvorum::app {

// Of all threads. Zero where the system does not say.
node::CpuTime cpu_time();

// `start_seconds`: when it began, since the Unix epoch.
front::ProcessFigures process_figures(double start_seconds);

}  // namespace kvorum::app
