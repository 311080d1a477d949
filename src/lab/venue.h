// Where a play is conducted: on real processes and in real time, or in a simulation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "lab/recorder.h"
#include "lab/scenario.h"
#include "model/fault.h"
#include "wire/reply_parser.h"

namespace kvorum::lab {

// Thread: the one that conducts the play.
class Venue {
 public:
  Venue() = default;
  virtual ~Venue() = default;
  Venue(const Venue&) = delete;
  Venue& operator=(const Venue&) = delete;

  virtual Duration now() = 0;          // since some moment
  virtual std::int64_t wall_ms() = 0;  // since 1970
  virtual void pause(Duration time) = 0;
  // An error says why the play must end now.
  virtual Result<void> look() = 0;

  // Any node that answers is asked. An answer that is an error is one here, too.
  virtual Result<wire::Reply> ask(const std::vector<std::string>& words, bool is_read) = 0;
  // What each node holds of the key, in the form of KV.SEARCH's answer.
  virtual Result<wire::Reply> search(const std::string& key) {
    return ask({"KV.SEARCH", key}, true);
  }
  // `words` are those of the command, behind KV.FAULT.
  virtual Result<void> put_links(const FaultCommand& command, const std::string& words) = 0;
  virtual std::optional<NodeId> leader() = 0;  // of partition 1
  // Anything but kLinks. Has happened when it returns; a restarted node answers by then.
  virtual Result<void> act(FaultVerb verb, NodeId node) = 0;
  // Restarts and resumes what is down or frozen.
  virtual Result<void> mend() = 0;

  // All clients begin, and write down what they do.
  virtual void begin(const std::vector<ScenarioClient>& cast, Recorder& recorder) = 0;
  // Until a client wants a fault or all have finished, or earlier; at most for so long.
  virtual void attend(Duration at_most) = 0;
  // The recorder was told to stop: no client does anything more when this returns.
  virtual void dismiss() = 0;
};

}  // namespace kvorum::lab
