// Stories: testdata/*.txt hold commands and the trace that they must give. KVORUM_REWRITE=1 writes
// the trace anew.
//
//   # prose                     kept as it is
//   > command arguments...      what happens
//   anything else               the trace that the command before it must give
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/parse.h"
#include "raft/test_cluster.h"

namespace kvorum::raft::test {
namespace {

const std::filesystem::path kFolder = KVORUM_RAFT_TESTDATA;

using Words = std::vector<std::string>;

Words split(const std::string& line) {
  std::istringstream in(line);
  Words words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  return words;
}

unsigned number(const std::string& word) {
  const auto value = parse_number<unsigned>(word);
  CHECK(value.has_value(), "{} is no number", word);
  return *value;
}

class Story {
 public:
  // What the command printed.
  std::string run(const std::string& line) {
    text_.clear();
    const Words words = split(line);
    const auto command = commands().find(words.at(0));
    CHECK(command != commands().end(), "no command {}", words[0]);
    command->second(*this, Words(words.begin() + 1, words.end()));
    return std::exchange(text_, {});
  }

 private:
  using Command = std::function<void(Story&, const Words&)>;

  static const std::map<std::string, Command>& commands() {
    static const std::map<std::string, Command> all = {
        {"nodes", [](Story& s, const Words& w) { s.make(w); }},
        {"log", [](Story& s, const Words& w) { s.set_log(w); }},
        {"campaign", [](Story& s, const Words& w) { s.cluster_->campaign(number(w[0])); }},
        {"settle", [](Story& s, const Words&) { s.cluster_->settle(); }},
        {"run", [](Story& s, const Words& w) { s.cluster_->run_for(number(w[0]) * 1ms); }},
        {"pass", [](Story& s, const Words& w) { s.cluster_->pass(number(w[0]) * 1ms); }},
        {"tick", [](Story& s, const Words& w) { s.cluster_->tick(number(w[0])); }},
        {"drain", [](Story& s, const Words& w) { s.cluster_->drain(number(w[0])); }},
        {"deliver", [](Story& s, const Words& w) { s.deliver(w.empty() ? 1 : number(w[0])); }},
        {"lose", [](Story& s, const Words&) { s.cluster_->network().clear(); }},
        {"write", [](Story& s, const Words& w) { s.cluster_->write(number(w[0])); }},
        {"answer", [](Story& s, const Words& w) { s.cluster_->answer(number(w[0])); }},
        {"disk", [](Story& s, const Words& w) { s.node(w[0]).disk_paused = w[1] == "slow"; }},
        {"propose", [](Story& s, const Words& w) { s.propose(w); }},
        {"config", [](Story& s, const Words& w) { s.propose_config(w); }},
        {"read", [](Story& s, const Words& w) { s.cluster_->read(number(w[0]), number(w[1])); }},
        {"transfer", [](Story& s, const Words& w) { s.transfer(w); }},
        {"trust", [](Story& s, const Words& w) { s.trust(w, true); }},
        {"distrust", [](Story& s, const Words& w) { s.trust(w, false); }},
        {"cut", [](Story& s, const Words& w) { s.cut(w); }},
        {"heal", [](Story& s, const Words&) { s.cluster_->heal(); }},
        {"crash", [](Story& s, const Words& w) { s.cluster_->crash(number(w[0])); }},
        {"restart", [](Story& s, const Words& w) { s.cluster_->restart(number(w[0])); }},
        {"wipe", [](Story& s, const Words& w) { s.wipe(w); }},
        {"forget", [](Story& s, const Words& w) { s.forget(w); }},
        {"compact", [](Story& s, const Words& w) { s.compact(w); }},
        {"status", [](Story& s, const Words&) { s.status(); }},
    };
    return all;
  }

  Node& node(const std::string& id) { return cluster_->node(number(id)); }
  void print(const std::string& line) { text_ += line + "\n"; }

  // nodes 1 2 3 learners 4 tiny: messages carry one entry.
  void make(const Words& words) {
    ClusterSetup setup;
    setup.voters.clear();
    setup.options.window_bytes = 0;
    auto* list = &setup.voters;
    for (const auto& word : words) {
      if (word == "learners") {
        list = &setup.learners;
      } else if (word == "tiny") {
        setup.options.append_bytes = 1;
      } else {
        list->push_back(number(word));
      }
    }
    cluster_ = std::make_unique<Cluster>(setup);
    cluster_->on_deliver = [this](const Message& message, bool arrives) {
      print((arrives ? "  " : "  lost: ") + to_string(message));
    };
    cluster_->on_drain = [this](Node& drained) { show(drained); };
  }

  void show(const Node& drained) {
    for (const auto& line : drained.last.trace) {
      print(line);
    }
    for (const auto& read : drained.last.reads) {
      print(fmt::format("n{} may serve read {} at {}", drained.id.value(), read.tag,
                        read.index.value()));
    }
    for (const auto tag : drained.last.failed_reads) {
      print(fmt::format("n{} fails read {}", drained.id.value(), tag));
    }
    if (!drained.last.apply.empty()) {
      print(fmt::format("n{} applies {}..{}", drained.id.value(),
                        drained.last.apply.front().index.value(),
                        drained.last.apply.back().index.value()));
    }
  }

  // log 2 term 3 : 1 1 2
  void set_log(const Words& words) {
    std::vector<unsigned> terms;
    for (std::size_t i = 4; i < words.size(); ++i) {
      terms.push_back(number(words[i]));
    }
    restart_with(*cluster_, number(words[0]), terms, number(words[2]));
  }

  void deliver(unsigned count) {
    for (; count > 0 && !cluster_->network().empty(); --count) {
      cluster_->deliver_at(0);
    }
  }

  // propose 1 payload [notify]
  void propose(const Words& words) {
    if (!cluster_->propose(number(words[0]), words[1], words.size() > 2 ? number(words[2]) : 0)) {
      print("refused");
    }
  }

  // config 1 voters 1 2 3 learners 4
  void propose_config(const Words& words) {
    std::vector<unsigned> lists[2];
    int at = 0;
    for (std::size_t i = 2; i < words.size(); ++i) {
      if (words[i] == "learners") {
        at = 1;
      } else {
        lists[at].push_back(number(words[i]));
      }
    }
    if (!cluster_->propose_config(number(words[0]), config_of(lists[0], lists[1]))) {
      print("refused");
    }
  }

  void transfer(const Words& words) {
    node(words[0]).raft->transfer(NodeId(words.size() > 1 ? number(words[1]) : 0), cluster_->now());
  }

  void trust(const Words& words, bool trusted) {
    node(words[0]).raft->step(Trust{NodeId(number(words[1])), trusted});
  }

  void cut(const Words& words) {
    if (words.size() == 1) {
      cluster_->isolate(number(words[0]));
    } else {
      cluster_->cut(number(words[0]), number(words[1]));
    }
  }

  // An empty disk: the node comes back and may not vote.
  void wipe(const Words& words) {
    Node& wiped = node(words[0]);
    const Config config = wiped.disk.config;
    wiped.disk = Disk{};
    wiped.disk.config = wiped.disk.base.config = config;
    wiped.options.may_vote = false;
  }

  // forget 2 3: its disk loses the entries behind 3.
  void forget(const Words& words) {
    Disk& disk = node(words[0]).disk;
    disk.entries.resize(Index(number(words[1])) - disk.base.index);
    disk.hard.commit = std::min(disk.hard.commit, disk.last());
  }

  void compact(const Words& words) {
    cluster_->checkpoint(number(words[0]));
    cluster_->compact(number(words[0]), Index(number(words[1])));
  }

  void status() {
    for (auto& [id, each] : cluster_->nodes()) {
      if (!each.raft) {
        print(fmt::format("n{} is down", id.value()));
        continue;
      }
      print(fmt::format("n{} {} t{} leader n{} last {} commit {} applied {}", id.value(),
                        raft::to_string(each.raft->role()), each.raft->term().value(),
                        each.raft->leader().value(), each.raft->last_index().value(),
                        each.raft->commit().value(), each.machine.applied.value()));
      for (const auto& peer : each.raft->progress()) {
        print(fmt::format("  n{} {} match {} next {}{}{}{}", peer.node.value(), peer.state,
                          peer.match.value(), peer.next.value(), peer.voter ? "" : " learner",
                          peer.trusted ? "" : " untrusted", peer.lost_data ? " lost data" : ""));
      }
    }
  }

  std::unique_ptr<Cluster> cluster_;
  std::string text_;
};

std::string play(const std::string& script) {
  Story story;
  std::string out;
  std::istringstream in(script);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') {
      out += line + "\n";
    } else if (line[0] == '>') {
      out += line + "\n" + story.run(line.substr(1));
    }
  }
  return out;
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& item : std::filesystem::directory_iterator(kFolder)) {
    out.push_back(item.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class StoryTest : public testing::TestWithParam<std::string> {};

TEST_P(StoryTest, GoesAsWritten) {
  const auto path = kFolder / (GetParam() + ".txt");
  std::stringstream written;
  written << std::ifstream(path).rdbuf();
  ASSERT_FALSE(written.str().empty()) << path;
  const std::string played = play(written.str());
  if (std::getenv("KVORUM_REWRITE") != nullptr) {
    std::ofstream(path) << played;
  }
  EXPECT_EQ(played, written.str()) << "KVORUM_REWRITE=1 writes it anew";
}

INSTANTIATE_TEST_SUITE_P(Testdata, StoryTest, testing::ValuesIn(names()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace kvorum::raft::test
