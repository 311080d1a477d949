// One client of a play.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "lab/recorder.h"
#include "sim/request.h"

namespace kvorum::lab {

class Actor {
 public:
  // `endpoints`: all nodes, by id; it moves on to the next higher one, and round.
  Actor(const Scenario& scenario, ScenarioClient client, std::uint64_t seed,
        const std::vector<client::Endpoint>& endpoints, Recorder& recorder);

  // Does all steps, one after the other. Thread: its own.
  void run();

 private:
  bool take(const Step& step);
  void request(const Operation& operation);
  void send(sim::Request& request);
  void keep_place();
  NodeId node() const;

  const Scenario& scenario_;
  const ScenarioClient client_;
  Prng prng_;
  const std::vector<client::Endpoint>& endpoints_;
  Recorder& recorder_;
  client::Client connection_;
  std::size_t connections_ = 0;
};

}  // namespace kvorum::lab
