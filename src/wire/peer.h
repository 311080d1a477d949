// Frames between nodes: length, checksum, version, a short protobuf head, then raw bytes
// (docs/wire.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "dynamo/message.h"
#include "model/fault.h"
#include "model/forward.h"
#include "model/query.h"
#include "raft/message.h"
#include "wire/stream_buffer.h"

namespace kvorum::wire {

inline constexpr std::uint8_t kFrameVersion = 1;
// Of entries, runs, commands and leaderless messages inside; nodes must agree on it. 2: a
// leaderless read tells the fingerprints of what its asker has, and is sent only the rows that
// differ.
inline constexpr std::uint32_t kPeerFormat = 2;
inline constexpr std::size_t kFramePrefixBytes = 12;  // length u32, checksum u64
// Behind the prefix: what no frame may pass, whatever is configured. A frame must hold the longest
// run, which cannot be cut: one request, of up to 512 MiB where values may be so long, behind up to
// kMaxEntryBytes of others.
inline constexpr std::size_t kMaxFrameBytes = std::size_t{640} << 20;
// Of each kind in a leaderless message: an empty row takes 2 bytes in a frame, and 32 times that in
// memory.
inline constexpr std::size_t kMaxDynamoItems = std::size_t{1} << 20;
inline constexpr std::size_t kMaxHelloBytes = 1024;  // of a frame before the handshake

// Append one frame. False: it would pass kMaxFrameBytes, and nothing was appended.
bool encode_message(PartitionId partition, const raft::Message& message, Bytes& out);
bool encode_dynamo(const dynamo::Message& message, Bytes& out);  // nor kMaxDynamoItems
bool encode_forward(const Forward& forward, Bytes& out);
bool encode_fault(const FaultFrame& fault, Bytes& out);
bool encode_query(const Query& query, Bytes& out);
bool encode_answer(const Answer& answer, Bytes& out);
void encode_hello(const PeerHello& hello, Bytes& out);

struct PeerMessage {
  PartitionId partition;
  raft::Message message;
};
using Frame =
    std::variant<PeerHello, PeerMessage, Forward, dynamo::Message, FaultFrame, Query, Answer>;

class FrameParser {
 public:
  explicit FrameParser(std::size_t max_frame_bytes = kMaxFrameBytes)
      : max_frame_bytes_(max_frame_bytes) {}

  void set_max_frame_bytes(std::size_t bytes) { max_frame_bytes_ = bytes; }

  // A new stream begins.
  void reset() {
    buffer_.clear();
    error_.reset();
  }

  // Appends bytes, borrowed until keep().
  void feed(ByteView bytes) { buffer_.feed(bytes); }
  void keep() { buffer_.keep(); }

  // The next frame; empty: feed more. After an error (kProtocol, or kFormat for another version)
  // the stream is of no further use, and every call gives the same error.
  Result<std::optional<Frame>> next();

  std::size_t buffered() const { return buffer_.rest().size(); }

 private:
  std::size_t max_frame_bytes_;
  StreamBuffer buffer_;
  std::optional<Error> error_;
};

}  // namespace kvorum::wire
