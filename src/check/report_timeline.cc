#include "check/report_timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "check/report_parts.h"

namespace kvorum::check {

std::vector<std::uint32_t> in_time_order(const History& history,
                                         std::vector<std::uint32_t> operations) {
  std::stable_sort(operations.begin(), operations.end(), [&](auto a, auto b) {
    return history.operations[a].start_ns < history.operations[b].start_ns;
  });
  return operations;
}

std::vector<Edge> merged_edges(const Verdict& verdict) {
  std::vector<Edge> out;
  for (const auto& edge : verdict.edges) {
    const auto same = std::find_if(out.begin(), out.end(), [&edge](const Edge& other) {
      return other.from == edge.from && other.to == edge.to;
    });
    if (same == out.end()) {
      out.push_back(edge);
    } else if (same->why != edge.why) {
      same->why += ", " + edge.why;
    }
  }
  return out;
}

std::string plain_command(const History& history, const Verdict& verdict) {
  return fmt::format("kvorum check --model {} {}", to_string(verdict.model), history.source);
}

namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

}  // namespace

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::size_t bytes_of_columns(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (!continues(text[at]) && count-- == 0) {
      break;
    }
  }
  return at;
}

namespace {

constexpr std::size_t kStep = 6;   // columns between one event and the next, if there is room
constexpr std::size_t kLeast = 4;  // so that "├12┤" fits between two events
constexpr std::size_t kName = 20;  // columns of a client's name

using Lane = std::vector<std::string>;  // a character each

class Drawing {
 public:
  Drawing(const History& history, const std::vector<std::uint32_t>& operations)
      : history_(history), operations_(operations) {
    for (const auto i : operations) {
      const auto& operation = history.operations[i];
      events_.emplace(operation.start_ns, 0);
      if (operation.end_ns != kNever) {
        events_.emplace(operation.end_ns, 0);
      }
      label_ = std::max(label_, columns(label(operation.client)));
    }
  }

  std::vector<std::string> draw(std::size_t width) {
    const auto room = width - label_ - 2;
    if (events_.size() * kLeast + 2 > room) {
      return {"(too much for this width; --html FILE draws it)"};
    }
    const auto step = std::min(kStep, (room - 2) / events_.size());
    std::size_t at = 0;
    for (auto& [time, column] : events_) {
      column = at;
      at += step;
    }
    end_ = at + 1;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      add(history_.operations[operations_[i]], fmt::to_string(i + 1));
    }
    std::vector<std::string> out;
    for (const auto& [client, lanes] : clients_) {
      for (const auto& lane : lanes) {
        const auto name = &lane == lanes.data() ? label(client) : std::string();
        out.push_back(name + std::string(label_ + 2 - columns(name), ' ') + joined(lane));
      }
    }
    out.push_back(axis(room));
    return out;
  }

 private:
  // Names that are too long differ at their ends.
  std::string label(std::uint32_t client) const {
    const auto name = fmt::format("client {}", shown(history_.clients[client]));
    const auto length = columns(name);
    return length <= kName ? name : "…" + name.substr(bytes_of_columns(name, length - kName + 1));
  }

  void add(const Operation& operation, const std::string& number) {
    const bool open = operation.end_ns == kNever;
    const auto from = events_.at(operation.start_ns);
    const auto to = open ? end_ : std::max(events_.at(operation.end_ns), from + kLeast - 1);
    auto& lane = free_lane(operation.client, from);
    lane.resize(from, " ");
    lane.resize(to + 1, open ? "╌" : "─");
    lane[from] = "├";
    lane[to] = open ? "?" : "┤";
    const auto middle = open ? from + 2 : from + (to - from + 1 - number.size()) / 2;
    for (std::size_t i = 0; i < number.size(); ++i) {
      lane[middle + i] = number[i];
    }
  }

  Lane& free_lane(std::uint32_t client, std::size_t from) {
    auto found = std::find_if(clients_.begin(), clients_.end(),
                              [client](const auto& entry) { return entry.first == client; });
    if (found == clients_.end()) {
      found = clients_.insert(found, {client, std::vector<Lane>()});
    }
    for (auto& lane : found->second) {
      if (lane.size() <= from) {
        return lane;
      }
    }
    return found->second.emplace_back();
  }

  static std::string joined(const Lane& lane) {
    std::string out;
    for (const auto& cell : lane) {
      out += cell;
    }
    return out;
  }

  std::string axis(std::size_t room) const {
    const auto first = time_text(history_, events_.begin()->first);
    const auto last = time_text(history_, events_.rbegin()->first);
    constexpr std::string_view kNote = "  (in order, not to scale)";
    const auto fits = room - std::min(room, columns(last) + columns(kNote));
    const auto place = std::max(std::min(events_.rbegin()->second, fits), columns(first) + 2);
    std::string out(label_ + 2, ' ');
    out += first;
    out += std::string(place - columns(first), ' ');
    return out.append(last).append(kNote);
  }

  const History& history_;
  const std::vector<std::uint32_t>& operations_;
  std::map<std::int64_t, std::size_t> events_;  // time to column
  std::vector<std::pair<std::uint32_t, std::vector<Lane>>> clients_;
  std::size_t label_ = 0;
  std::size_t end_ = 0;
};

}  // namespace

std::vector<std::string> timeline(const History& history,
                                  const std::vector<std::uint32_t>& operations, std::size_t width) {
  return Drawing(history, operations).draw(width);
}

}  // namespace kvorum::check
