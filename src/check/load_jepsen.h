// Jepsen's histories: pairs of events, an invocation and its completion, told by their process.
// Private to load*.cc.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "check/load_form.h"

namespace kvorum::check {

class JepsenEvents {
 public:
  JepsenEvents(const Source& source, const std::string& prefix, History& history)
      : source_(source), prefix_(prefix), history_(history), begin_(history.operations.size()) {}

  // {:process 3, :type :invoke, :f :read, :value nil, :time 17}
  Result<void> add_map(const Form& event);
  // [3 :invoke :read nil]
  Result<void> add_list(const Form& event);
  // What is still open has an unknown outcome. Without times the order of events is the time.
  Result<void> finish();

 private:
  struct Event {
    std::uint32_t line = 0;
    const Form* process = nullptr;
    const Form* type = nullptr;
    const Form* f = nullptr;
    const Form* key = nullptr;  // Porcupine's logs have one beside the value
    const Form* value = nullptr;
    const Form* time = nullptr;
    const Form* final = nullptr;
  };
  // How an operation's value is written.
  enum class Shape : std::uint8_t { kPlain, kTuple, kTransaction };
  struct Open {
    std::size_t operation = 0;
    Shape shape = Shape::kPlain;
  };
  struct Times {
    std::int64_t start_at = 0;  // counting events
    std::int64_t end_at = kNever;
    std::uint32_t end_line = 0;
  };

  Result<void> add(const Event& event);
  Result<void> invoke(const Event& event, std::int64_t process, std::int64_t time);
  Result<void> complete(const Event& event, std::int64_t process, std::int64_t time);
  Result<void> read_call(const Event& event, Open& open, Operation& out);
  Result<void> read_transaction(const Event& event, Operation& out);
  Result<void> read_result(const Event& event, const Open& open, Operation& out);
  Text text_of(const Form& form);
  // A list as its elements' texts in a row, so that to append to it is to append to the text.
  Result<std::string> list_text(const Form& list);
  Result<std::string> element_text(const Form& form);

  const Source& source_;
  const std::string& prefix_;
  History& history_;
  std::size_t begin_;  // first operation of this file
  std::vector<Times> times_;
  std::unordered_map<std::int64_t, Open> open_;
  std::int64_t events_ = 0;
  std::size_t abandoned_ = 0;
  bool timed_ = true;
  bool keys_apart_ = false;  // some events had a :key
  bool read_nil_ = false;
};

}  // namespace kvorum::check
