// As Actor, in simulated time: one client of a play, which goes on whenever what it waits for has
// happened.
#pragma once

#include <cstdint>
#include <optional>

#include "base/prng.h"
#include "lab/recorder.h"
#include "lab/sim_client.h"
#include "sim/request.h"

namespace kvorum::lab {

class SimActor {
 public:
  SimActor(const Scenario& scenario, ScenarioClient client, std::uint64_t seed, SimPort& port,
           Recorder& recorder);

  // Takes steps until one takes time.
  void go();
  // Goes on if others have done by now what it waits for.
  void look();
  // Only others can let it go on.
  bool awaits() const { return await_.has_value(); }
  bool finished() const { return finished_; }

 private:
  bool take(const Step& step);
  void request(const Operation& operation);
  void send();
  void keep_place();
  void go_in(Duration time);
  std::int32_t number() const { return static_cast<std::int32_t>(client_.number); }

  const Scenario& scenario_;
  const ScenarioClient client_;
  Prng prng_;
  sim::Cluster& cluster_;
  Recorder& recorder_;
  SimClient connection_;
  std::size_t connections_ = 0;
  std::size_t next_ = 0;  // step
  sim::Request request_;  // in hand
  std::optional<Await> await_;
  std::optional<std::size_t> fault_;  // the number of the one that it wants
  bool finished_ = false;
};

}  // namespace kvorum::lab
