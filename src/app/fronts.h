// The ports of a server beside RESP's, as its configuration asks for them.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "net/server.h"

namespace kvorum::app {

// Listens on `bind`. `origins`: those of web pages that may use HTTP, beside the configuration's.
std::vector<net::FrontPort> front_ports(const ClusterConfig& config, const NodeConfig& self,
                                        const std::string& bind,
                                        const std::vector<std::string>& origins);

}  // namespace kvorum::app
