// One client of a play.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "lab/dialect.h"
#include "lab/recorder.h"
#include "lab/stage.h"
#include "sim/request.h"

namespace kvorum::lab {

class Actor {
 public:
  // When a node is gone it moves on to the next higher one, and round.
  Actor(const Scenario& scenario, ScenarioClient client, std::uint64_t seed, const Stage& stage,
        Recorder& recorder);

  // Does all steps, one after the other. Thread: its own.
  void run();

 private:
  bool take(const Step& step);
  void request(const Operation& operation);
  void send(client::Client& connection, sim::Request& request);
  NodeId node_of(const client::Client& connection) const;

  const Scenario& scenario_;
  const ScenarioClient client_;
  Prng prng_;
  const std::vector<client::Endpoint>& endpoints_;
  Recorder& recorder_;
  const Dialect& dialect_;
  client::Client connection_;
  std::optional<client::Client> reads_;  // if gets go elsewhere
  std::size_t connections_ = 0;          // that were made
};

}  // namespace kvorum::lab
