// What KV.STATUS answers, as text.
#pragma once

#include <string>

namespace kvorum::client {

// The value of `key` in the first line of "key:value key:value ..."; empty if it is not there.
std::string status_word(const std::string& status, const std::string& key);

}  // namespace kvorum::client
