// Glob patterns as in Redis: * ? [abc] [a-z] [^x], and \ takes the next character as it is.
#pragma once

#include "base/bytes.h"

namespace kvorum::kv {

bool glob_match(ByteView pattern, ByteView text);

}  // namespace kvorum::kv
