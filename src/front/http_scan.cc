#include "front/http_scan.h"

#include <numeric>

namespace kvorum::front {

ScanExchange::ScanExchange(Ask ask, ByteView prefix)
    : Exchange(std::move(ask)), pattern_(prefix_pattern(prefix)) {}

std::size_t ScanExchange::held() const {
  return std::accumulate(keys_.begin(), keys_.end(), std::size_t{0},
                         [](std::size_t sum, const Bytes& key) { return sum + key.size(); });
}

Step ScanExchange::scan(const Bytes& cursor, std::size_t rows) const {
  return std::vector<Words>{
      at_level({"SCAN", cursor, "MATCH", pattern_, "COUNT", std::to_string(rows)})};
}

// One GET a key: keys of several partitions go into no MGET.
Step ScanExchange::read() {
  reading_ = true;
  std::vector<Words> out;
  for (const auto& key : keys_) {
    out.push_back(at_level({"GET", key}));
  }
  return out;
}

Step ScanExchange::answered(std::vector<ReplyTree::Taken> replies) {
  for (const auto& one : replies) {
    if (one.error) {
      return error_response(*one.error);
    }
  }
  if (reading_) {
    return told(replies);
  }
  auto& elements = replies.front().reply.elements;
  if (elements.size() != 2) {
    return error_response(500, "ERR", "the node gave no page of a SCAN");
  }
  return scanned(std::move(elements[0].text), std::move(elements[1].elements));
}

Bytes prefix_pattern(ByteView prefix) {
  Bytes out;
  for (const char c : prefix) {
    if (ByteView("*?[]^-\\").find(c) != ByteView::npos) {
      out += '\\';
    }
    out += c;
  }
  return out + '*';
}

}  // namespace kvorum::front
