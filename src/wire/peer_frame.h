// Parts of a frame between nodes, shared by the files that encode its bodies; nobody else includes
// this.
#pragma once

#include <peer.pb.h>

#include <cstddef>

#include "base/bytes.h"
#include "base/error.h"
#include "wire/peer.h"

namespace kvorum::wire {

inline constexpr std::size_t kFixedBytes = 5;  // behind the prefix: version u8, head size u32

// Appends prefix, version and head. The caller appends the `body` bytes and calls seal(). False:
// the frame would be too long, and nothing was appended.
bool begin_frame(const pb::Head& head, std::size_t body, Bytes& out);
// The frame that began at `start` is whole.
void seal(std::size_t start, Bytes& out);

Result<Frame> get_dynamo(const pb::Head& head, ByteView body);
Result<Frame> get_query(const pb::Head& head, ByteView body);

}  // namespace kvorum::wire
