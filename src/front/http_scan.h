// What lists share: the keys that begin with a prefix, by SCAN, step by step, and then their
// values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "front/http_exchange.h"

namespace kvorum::front {

class ScanExchange : public Exchange {
 public:
  bool one_step() const final { return false; }
  std::size_t held() const final;
  Step answered(std::vector<ReplyTree::Taken> replies) final;

 protected:
  // Walked at once, so that nobody waits long behind it.
  static constexpr std::size_t kRowsAStep = 2048;

  ScanExchange(Ask ask, ByteView prefix);

  // What asks the node: for keys from the cursor on; for the values of keys_.
  Step scan(const Bytes& cursor, std::size_t rows = kRowsAStep) const;
  Step read();

  // A step of the walk: where the next one begins ("0": there is none), and what it found.
  virtual Step scanned(Bytes cursor, std::vector<wire::Reply> found) = 0;
  // The replies to read(), one a key.
  virtual HttpResponse told(const std::vector<ReplyTree::Taken>& values) const = 0;

  std::vector<Bytes> keys_;

 private:
  Bytes pattern_;
  bool reading_ = false;  // values, no keys any more
};

// A KEYS-like pattern that matches what begins with `prefix`.
Bytes prefix_pattern(ByteView prefix);

}  // namespace kvorum::front
