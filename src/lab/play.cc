#include "lab/play.h"

#include <chrono>
#include <thread>

#include "lab/actor.h"
#include "lab/director.h"

namespace kvorum::lab {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Real processes; every client is a thread of its own.
class Threads final : public Venue {
 public:
  Threads(const Scenario& scenario, Stage& stage, std::uint64_t seed)
      : scenario_(scenario), stage_(stage), seed_(seed) {}

  Duration now() override { return SteadyClock::now().time_since_epoch(); }
  std::int64_t wall_ms() override {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
  }
  void pause(Duration time) override { std::this_thread::sleep_for(time); }
  Result<void> look() override {
    return stage_.interrupted() ? fail(ErrorCode::kGeneric, "interrupted") : Result<void>();
  }

  Result<wire::Reply> ask(const std::vector<std::string>& words, bool is_read) override {
    return stage_.ask(words, is_read ? client::Repeat::kHarmless : client::Repeat::kNever);
  }
  Result<wire::Reply> search(const std::string& key) override { return stage_.search(key); }
  Result<void> put_links(const FaultCommand& command, const std::string& words) override {
    return stage_.put_links(command, words);
  }
  std::optional<NodeId> leader() override { return stage_.leader(); }
  Result<void> act(FaultVerb verb, NodeId node) override { return stage_.act(verb, node); }
  Result<void> mend() override { return stage_.mend(); }

  void begin(const std::vector<ScenarioClient>& cast, Recorder& recorder) override;
  void attend(Duration at_most) override { recorder_->await_wanted(at_most, actors_.size()); }
  void dismiss() override;

 private:
  const Scenario& scenario_;
  Stage& stage_;
  const std::uint64_t seed_;
  Recorder* recorder_ = nullptr;
  std::vector<Actor> actors_;
  std::vector<std::jthread> threads_;
};

void Threads::begin(const std::vector<ScenarioClient>& cast, Recorder& recorder) {
  recorder_ = &recorder;
  actors_.reserve(cast.size());
  for (const auto& client : cast) {
    actors_.emplace_back(scenario_, client, seed_, stage_, recorder);
  }
  for (auto& actor : actors_) {
    threads_.emplace_back([&actor] { actor.run(); });
  }
}

void Threads::dismiss() {
  if (stage_.interrupted()) {
    for (std::uint32_t id = 1; id <= scenario_.nodes; ++id) {
      stage_.act(FaultVerb::kKill, NodeId(id));  // so that no client waits for an answer
    }
  }
  threads_.clear();
}

}  // namespace

Result<RunRecord> play(const Scenario& scenario, Stage& stage, const PlayOptions& options) {
  Threads venue(scenario, stage, options.seed);
  return conduct(scenario, venue, options);
}

}  // namespace kvorum::lab
