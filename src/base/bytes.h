// Byte strings: owned, borrowed, and shared between log, peers and disk without a copy.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace kvorum {

using Bytes = std::string;
using ByteView = std::string_view;
using SharedBytes = std::shared_ptr<const Bytes>;  // never null in an Entry

inline SharedBytes share(Bytes bytes) { return std::make_shared<const Bytes>(std::move(bytes)); }

}  // namespace kvorum
