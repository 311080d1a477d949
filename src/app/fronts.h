// The protocols that a server speaks beside Redis': a port for each, if it has one.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "net/server.h"

namespace kvorum::app {

// Of this node, on this address, for requests within these limits.
std::vector<net::FrontPort> fronts_of(const NodeConfig& node, const std::string& bind,
                                      const wire::RequestLimits& requests);

// Names the ports in the log.
void log_fronts(const NodeConfig& node);

}  // namespace kvorum::app
