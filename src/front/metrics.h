// Prometheus' text format (version 0.0.4) of what INFO and KV.STATUS tell.
#pragma once

#include <string>

#include "base/bytes.h"

namespace kvorum::front {

struct ProcessFigures;

std::string metrics_text(ByteView info, ByteView status, const ProcessFigures& process);

}  // namespace kvorum::front
