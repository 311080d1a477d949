#include "front/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <vector>

#include "base/parse.h"
#include "front/http_exchange.h"

namespace kvorum::front {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

struct Source {
  const char* word;  // of INFO or KV.STATUS
  const char* name;
  const char* help;
  MetricType type;
};

constexpr Source kInfo[] = {
    {"uptime_in_seconds", "kvorum_uptime_seconds", "Since the node began to serve",
     MetricType::Gauge},
    {"connected_clients", "kvorum_clients", "Connections of clients, of all protocols",
     MetricType::Gauge},
    {"used_memory_dataset", "kvorum_dataset_bytes", "Memory that rows take", MetricType::Gauge},
    {"memory_budget", "kvorum_memory_budget_bytes", "What those rows may take; 0: no bound",
     MetricType::Gauge},
    {"cold_rows", "kvorum_cold_rows", "Rows whose values are on disk alone", MetricType::Gauge},
    {"cold_row_fetches", "kvorum_cold_row_fetches_total", "Such rows asked of the disk",
     MetricType::Counter},
    {"total_commands_processed", "kvorum_commands_total", "Requests of clients",
     MetricType::Counter},
    {"peer_messages_sent", "kvorum_peer_messages_total", "Messages sent to other nodes",
     MetricType::Counter},
    {"peer_bytes_sent", "kvorum_peer_bytes_total", "Bytes sent to other nodes",
     MetricType::Counter},
    {"disk_syncs", "kvorum_disk_syncs_total", "Batches that were to be synced",
     MetricType::Counter},
};

constexpr Source kPartition[] = {
    {"term", "kvorum_partition_term", "Raft term", MetricType::Gauge},
    {"leader", "kvorum_partition_leader", "Node that leads, as this one knows; 0: none",
     MetricType::Gauge},
    {"commit", "kvorum_partition_commit_index", "Committed entries", MetricType::Gauge},
    {"applied", "kvorum_partition_applied_index", "Applied entries", MetricType::Gauge},
    {"last", "kvorum_partition_last_index", "Entries in the log", MetricType::Gauge},
    {"keys", "kvorum_partition_keys", "Rows", MetricType::Gauge},
};

constexpr Source kLeaderless[] = {
    {"rows", "kvorum_leaderless_rows", "Rows, tombstones included", MetricType::Gauge},
    {"tombstones", "kvorum_leaderless_tombstones", "Deleted rows that are still kept",
     MetricType::Gauge},
    {"tombstones-dropped", "kvorum_leaderless_tombstones_dropped_total", "Tombstones dropped",
     MetricType::Counter},
    {"conflicts", "kvorum_leaderless_conflicts_total", "Losers of concurrent writes",
     MetricType::Counter},
    {"hints", "kvorum_leaderless_hints", "Keys kept for replicas that are down", MetricType::Gauge},
    {"hints-dropped", "kvorum_leaderless_hints_dropped_total", "Hints that found no room",
     MetricType::Counter},
    {"read-repairs", "kvorum_leaderless_read_repairs_total", "Rows that reads repaired",
     MetricType::Counter},
    {"sync-rounds", "kvorum_leaderless_sync_rounds_total", "Comparisons with another replica",
     MetricType::Counter},
    {"sync-rows", "kvorum_leaderless_sync_rows_total", "Rows sent because of them",
     MetricType::Counter},
    {"sync-bytes", "kvorum_leaderless_sync_bytes_total", "Bytes sent because of them",
     MetricType::Counter},
    {"refilling", "kvorum_leaderless_refilling", "Partitions that refill from others",
     MetricType::Gauge},
};

using Words = std::map<ByteView, ByteView>;

// "a:1 b:2" or lines of it.
Words words_of(ByteView text) {
  Words out;
  while (!text.empty()) {
    const auto end = text.find_first_of(" \r\n");
    const auto word = text.substr(0, end);
    text = end == ByteView::npos ? ByteView() : text.substr(end + 1);
    if (const auto colon = word.find(':'); colon != ByteView::npos) {
      out[word.substr(0, colon)] = word.substr(colon + 1);
    }
  }
  return out;
}

class Families {
 public:
  void add(const Source& source, double value,
           std::vector<prometheus::ClientMetric::Label> labels) {
    auto& family = by_name_[source.name];
    family.name = source.name;
    family.help = source.help;
    family.type = source.type;
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    (source.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
  }

  template <std::size_t N>
  void add_all(const Source (&sources)[N], const Words& words,
               const std::vector<prometheus::ClientMetric::Label>& labels) {
    for (const auto& source : sources) {
      const auto word = words.find(source.word);
      const auto value =
          word == words.end() ? std::nullopt : parse_number<std::uint64_t>(word->second);
      if (value) {
        add(source, static_cast<double>(*value), labels);
      }
    }
  }

  std::string text() const {
    std::vector<MetricFamily> all;
    for (const auto& [name, family] : by_name_) {
      all.push_back(family);
    }
    return prometheus::TextSerializer().Serialize(all);
  }

 private:
  std::map<std::string, MetricFamily> by_name_;
};

void add_status(ByteView status, Families& families) {
  while (!status.empty()) {
    const auto end = status.find('\n');
    const auto line = status.substr(0, end);
    status = end == ByteView::npos ? ByteView() : status.substr(end + 1);
    const auto words = words_of(line);
    if (line.starts_with("partition:")) {
      families.add_all(kPartition, words, {{"partition", std::string(words.at("partition"))}});
    } else if (line.starts_with("leaderless:")) {
      families.add_all(kLeaderless, words, {});
    } else if (line.starts_with("peer:")) {
      families.add(
          {nullptr, "kvorum_peer_up", "Whether the link to that node is up", MetricType::Gauge},
          words.count("link") != 0 && words.at("link") == "up" ? 1 : 0,
          {{"peer", std::string(words.at("peer"))}});
    }
  }
}

}  // namespace

std::string metrics_text(ByteView info, ByteView status, const ProcessFigures& process) {
  Families families;
  families.add_all(kInfo, words_of(info), {});
  add_status(status, families);
  families.add({nullptr, "process_cpu_seconds_total", "Processor time, user and system",
                MetricType::Counter},
               process.cpu_seconds, {});
  families.add({nullptr, "process_resident_memory_bytes", "Resident memory", MetricType::Gauge},
               process.resident_bytes, {});
  families.add({nullptr, "process_open_fds", "Open files and sockets", MetricType::Gauge},
               process.open_files, {});
  families.add(
      {nullptr, "process_start_time_seconds", "Start, since the Unix epoch", MetricType::Gauge},
      process.start_seconds, {});
  return families.text();
}

}  // namespace kvorum::front
