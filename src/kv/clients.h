// Who numbers commands. Part of the replicated state: it decides which of them take effect, so
// every replica must hold the same, and it is on disk and in snapshots beside the rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/ids.h"
#include "base/time.h"
#include "model/reply.h"

namespace kvorum::kv {

// A node's command stream: go-back-N.
struct NodeClient {
  std::uint64_t next = 1;  // the number expected of the next command

  void save(Bytes& out) const;
  bool load(Reader& reader);
};

// A KV.ONCE client: the replies that it may still ask for.
struct OnceClient {
  std::uint64_t mark = 0;  // it has the answers of every command below
  std::map<std::uint64_t, Bytes> replies;
  std::size_t bytes = 0;

  void raise_mark(std::uint64_t to);
  void keep(std::uint64_t seq, Bytes reply);
  void save(Bytes& out) const;
  bool load(Reader& reader);
};

// Clients of one kind by id, the longest idle first in line to be closed, and which of them the
// disk must hear of.
template <class Client>
class ClientTable {
 public:
  Client* find(ClientId id) { return const_cast<Client*>(std::as_const(*this).find(id)); }
  const Client* find(ClientId id) const {
    const auto at = clients_.find(id);
    return at == clients_.end() ? nullptr : &at->second.client;
  }
  std::size_t size() const { return clients_.size(); }

  // The client at work at `now`: made if it is not there, and no longer idle.
  Client& touch(ClientId id, WallMs now) {
    const auto [at, made] = clients_.try_emplace(id);
    auto& slot = at->second;
    if (made) {
      idle_.insert({now, id});
    } else if (slot.last_use != now) {
      auto place = idle_.extract({slot.last_use, id});
      place.value().first = now;
      idle_.insert(std::move(place));
    }
    slot.last_use = now;
    slot.dirty = true;
    return slot.client;
  }

  bool remove(ClientId id) {
    const auto at = clients_.find(id);
    if (at == clients_.end()) {
      return false;
    }
    removed_.push_back(id);
    idle_.erase({at->second.last_use, id});
    clients_.erase(at);
    return true;
  }

  // Closes those idle since before `since`, the longest idle first, as long as more than `keep` are
  // open.
  void close_idle(WallMs since, std::size_t keep) {
    while (clients_.size() > keep && idle_.begin()->first < since) {
      remove(idle_.begin()->second);
    }
  }

  // What the disk does not know: gone(id), then changed(id, bytes).
  template <class Gone, class Changed>
  void take_dirty(Gone gone, Changed changed) {
    for (const auto id : std::exchange(removed_, {})) {
      gone(id);
    }
    for (auto& [id, slot] : clients_) {
      if (std::exchange(slot.dirty, false)) {
        Bytes bytes;
        put_fixed(bytes, slot.last_use.value());
        slot.client.save(bytes);
        changed(id, std::move(bytes));
      }
    }
  }
  // The disk has lost them all (their generation is dropped).
  void all_dirty() {
    removed_.clear();
    for (auto& [id, slot] : clients_) {
      slot.dirty = true;
    }
  }

  bool load(ClientId id, ByteView bytes) {
    Reader reader(bytes);
    Slot slot;
    slot.last_use = WallMs(reader.fixed<std::int64_t>());
    if (!slot.client.load(reader) || !reader.done()) {
      return false;
    }
    if (const auto at = clients_.find(id); at != clients_.end()) {
      idle_.erase({at->second.last_use, id});
      clients_.erase(at);
    }
    idle_.insert({slot.last_use, id});
    clients_.emplace(id, std::move(slot));
    return true;
  }

 private:
  struct Slot {
    Client client;
    WallMs last_use;
    bool dirty = false;
  };

  std::map<ClientId, Slot> clients_;
  std::set<std::pair<WallMs, ClientId>> idle_;  // by last use; by id where that is the same
  std::vector<ClientId> removed_;
};

}  // namespace kvorum::kv
