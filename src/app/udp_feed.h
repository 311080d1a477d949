// Lines to whoever listens for datagrams, as the picture program of an older system does.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "client/connection.h"

namespace kvorum::app {

// One datagram per line, in order. UDP tells nobody whether they arrived. Errors: kConfig, the host
// is no IPv4 address; kIo.
Result<void> send_lines(const client::Endpoint& to, const std::vector<std::string>& lines);

}  // namespace kvorum::app
