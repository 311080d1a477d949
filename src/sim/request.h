// One client request of the workload: what is sent, what goes into the history, and how its answer
// is read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "model/history.h"
#include "sim/options.h"
#include "wire/reply_parser.h"

namespace kvorum::sim {

// How an answer turns into an outcome.
enum class Answer : std::uint8_t {
  kValue,        // get: a bulk or nil
  kDone,         // any answer that is no error
  kCompared,     // 1 or 0: a cas that took effect or whose compare failed
  kOldValue,     // getset: the value before, so it was a cas
  kTaken,        // getdel: the value before; nil: it was a get
  kNumber,       // incr
  kNotRecorded,  // the judge does not know such a command
};

struct Request {
  std::vector<std::string> args;
  HistoryRecord record;
  Answer answer = Answer::kDone;
  bool flushes = false;  // FLUSHDB: a delete of every key
};

// A request on its way.
struct Open {
  Request request;
  Instant sent{};
};

class RequestMaker {
 public:
  explicit RequestMaker(const Options& options) : options_(options) {}

  // `client` only makes values unique.
  Request draw(Prng& prng, std::uint32_t client);
  Request read(Prng& prng);
  Request final_read(std::size_t key) const;
  std::size_t keys() const { return static_cast<std::size_t>(options_.keys); }
  std::string key(std::size_t number) const;

 private:
  Request write(Prng& prng, std::uint32_t client);
  Request change(Prng& prng, std::uint32_t client, std::string key);
  Request other(Prng& prng);
  std::string value(std::uint32_t client);
  std::string unique(std::uint32_t client);

  const Options& options_;
  std::uint64_t values_ = 0;
  std::map<std::string, std::string> last_written_;  // a guess for a cas to expect
};

// Fills in how the request ended, from its answer; null: no answer came.
void conclude(Request& request, const wire::Reply* reply);

}  // namespace kvorum::sim
