#include "client/status.h"

namespace kvorum::client {

std::string status_word(const std::string& status, const std::string& key) {
  auto line = status.substr(0, status.find_first_of("\r\n")) + ' ';
  for (std::size_t at = 0, end = 0; (end = line.find(' ', at)) != std::string::npos; at = end + 1) {
    const auto word = line.substr(at, end - at);
    if (word.starts_with(key + ':')) {
      return word.substr(key.size() + 1);
    }
  }
  return {};
}

}  // namespace kvorum::client
