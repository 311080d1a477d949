#include "node/identity.h"

#include "base/codec.h"

namespace kvorum::node {
namespace {

constexpr ByteView kRecordName = "identity";

Bytes encode(const Identity& identity) {
  Bytes out;
  put_fixed(out, identity.cluster.value());
  put_fixed(out, identity.node.value());
  put_fixed(out, identity.incarnation.value());
  put_fixed(out, static_cast<std::uint8_t>(identity.may_vote));
  put_fixed(out, identity.boot);
  return out;
}

std::optional<Identity> decode(ByteView bytes) {
  Reader reader(bytes);
  Identity identity;
  identity.cluster = ClusterId(reader.fixed<std::uint64_t>());
  identity.node = NodeId(reader.fixed<std::uint32_t>());
  identity.incarnation = Incarnation(reader.fixed<std::uint64_t>());
  identity.may_vote = reader.fixed<std::uint8_t>() != 0;
  identity.boot = reader.fixed<std::uint64_t>();
  return reader.done() ? std::optional(identity) : std::nullopt;
}

Result<Identity> read_or_form(const store::Store& store, ClusterId cluster, NodeId node,
                              Incarnation incarnation, bool init) {
  const auto record = store.record(kRecordName);
  if (!record) {
    return tl::unexpected(record.error());
  }
  if (!*record) {
    return Identity{cluster, node, incarnation, init, 0};
  }
  const auto identity = decode(**record);
  if (!identity) {
    return fail(ErrorCode::kCorrupt, "the data directory's identity record is damaged");
  }
  if (identity->cluster != cluster) {
    return fail(ErrorCode::kIdentity,
                "the data directory belongs to cluster {:016x}, the configuration names {:016x}",
                identity->cluster.value(), cluster.value());
  }
  if (identity->node != node) {
    return fail(ErrorCode::kIdentity, "the data directory belongs to node {}, not to node {}",
                identity->node.value(), node.value());
  }
  return *identity;
}

}  // namespace

Result<Identity> identify(store::Store& store, ClusterId cluster, NodeId node,
                          Incarnation incarnation, bool init) {
  auto identity = read_or_form(store, cluster, node, incarnation, init);
  if (!identity) {
    return identity;
  }
  ++identity->boot;
  store::Batch batch;
  batch.sync = true;
  batch.operations.push_back(store::PutRecord{Bytes(kRecordName), encode(*identity)});
  if (const auto written = store.write({&batch}); !written) {
    return tl::unexpected(written.error());
  }
  return identity;
}

}  // namespace kvorum::node
