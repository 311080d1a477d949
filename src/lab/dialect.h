// How clients speak to the nodes of a stage.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "client/client.h"
#include "lab/scenario.h"
#include "sim/request.h"

namespace kvorum::lab {

// Thread: any.
class Dialect {
 public:
  Dialect() = default;
  virtual ~Dialect() = default;
  Dialect(const Dialect&) = delete;
  Dialect& operator=(const Dialect&) = delete;

  // What is sent for an operation of this client, and the record to be.
  virtual sim::Request request(const Operation& operation, const ScenarioClient& who,
                               const Scenario& scenario) const = 0;
  // Where a client of the node `own` sends such an operation first.
  virtual NodeId first(HistoryOp op, NodeId own) const = 0;
  // Asks, and fills in how it ended.
  virtual void send(client::Client& client, sim::Request& request) const = 0;
  // Behind an answered request, and no part of it: what the client's next connection must know.
  virtual void settle(client::Client& client, const ScenarioClient& who,
                      const Scenario& scenario) const = 0;
};

// Our own nodes'.
const Dialect& kvorum_dialect();

// Redis's and Valkey's: their words alone, without levels or sessions. Writes go to the first node,
// until it is gone.
class RedisDialect final : public Dialect {
 public:
  // A write is acknowledged by so many replicas (WAIT), or its outcome is unknown. With
  // `replica_reads` gets go to the client's own node.
  RedisDialect(std::uint32_t wait, bool replica_reads)
      : wait_(wait), replica_reads_(replica_reads) {}

  sim::Request request(const Operation& operation, const ScenarioClient& who,
                       const Scenario& scenario) const override;
  NodeId first(HistoryOp op, NodeId own) const override;
  void send(client::Client& client, sim::Request& request) const override;
  void settle(client::Client& /*client*/, const ScenarioClient& /*who*/,
              const Scenario& /*scenario*/) const override {}

 private:
  bool replicas_have_it(client::Client& client) const;

  const std::uint32_t wait_;
  const bool replica_reads_;
};

}  // namespace kvorum::lab
