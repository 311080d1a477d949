// The protocols that a server speaks beside Redis': a port for each, if it has one.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "net/server.h"

namespace kvorum::app {

// Of this node, on this address, for requests within these limits. `origins`: those of web pages
// that may use HTTP, beside the configuration's.
std::vector<net::FrontPort> fronts_of(const ClusterConfig& config, const NodeConfig& node,
                                      const std::string& bind,
                                      const std::vector<std::string>& origins,
                                      const wire::RequestLimits& requests);

// Names the ports in the log.
void log_fronts(const NodeConfig& node);

}  // namespace kvorum::app
