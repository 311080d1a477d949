// HOST:PORT as flags take it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "client/connection.h"

namespace kvorum::app {

// Without a port: `port`. Errors (kConfig) begin with `flag`.
Result<client::Endpoint> parse_endpoint(std::string_view text, std::uint16_t port,
                                        const std::string& flag);

}  // namespace kvorum::app
