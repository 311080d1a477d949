// One thread's load against nodes that are made up: real sockets, no cluster.
#include "load/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <utility>
#include <vector>

#include "load/test_node.h"

namespace kvorum::load {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

WorkerOptions to(std::vector<Target> targets) {
  WorkerOptions options;
  options.targets = std::move(targets);
  options.plan.keys = 100;
  return options;
}

Phase count(std::uint64_t requests) {
  Phase phase;
  phase.pace.begin = clock_now();
  phase.pace.requests = requests;
  return phase;
}

TEST(Worker, EveryRequestIsAnsweredAndCounted) {
  std::atomic<std::uint64_t> asked = 0;
  FakeNode node(1, [&asked](const std::vector<std::string>& words) {
    ++asked;
    return good(words);
  });
  auto options = to({node.target()});
  options.pipeline = 7;
  Worker worker(options);
  ASSERT_TRUE(worker.connect());
  for (const std::uint64_t requests : {1u, 1000u}) {
    asked = 0;
    const auto ended = worker.run(count(requests));
    ASSERT_TRUE(ended) << ended.error().detail;
    EXPECT_EQ(asked, requests);
    EXPECT_EQ(worker.tally().ended(), requests);
    EXPECT_EQ(worker.answered(), requests);
    EXPECT_TRUE(worker.tally().failures.empty());
  }
  EXPECT_GT(worker.tally().bytes_sent, 1000u * 30);
  EXPECT_GT(worker.tally().bytes_received, 1000u * 5);
}

TEST(Worker, AnOpenLoopSendsAllThatIsDue) {
  FakeNode node(1, good);
  Worker worker(to({node.target()}));
  ASSERT_TRUE(worker.connect());
  auto phase = count(200);
  phase.pace.rate = 20'000;
  ASSERT_TRUE(worker.run(phase));
  EXPECT_EQ(worker.tally().ended(), 200u);
}

TEST(Worker, WhatABrokenConnectionOwedIsLostAndTheLoadGoesOnAtTheNextNode) {
  std::atomic<std::uint64_t> asked = 0;
  FakeNode dies(1, [&asked](const std::vector<std::string>& words) {
    return ++asked <= 10 ? good(words) : std::string();
  });
  FakeNode lives(1, good);
  auto options = to({dies.target(), lives.target()});
  options.plan.reads = 0;
  options.pipeline = 4;
  Worker worker(options);
  ASSERT_TRUE(worker.connect());
  const auto ended = worker.run(count(100));
  ASSERT_TRUE(ended) << ended.error().detail;
  const auto& tally = worker.tally();
  EXPECT_EQ(tally.ended(), 100u);
  const auto& lost = tally.failures.at({Kind::kWrite, kLost});
  EXPECT_TRUE(lost.unknown);
  EXPECT_GE(lost.count, 1u);
  EXPECT_LE(lost.count, 4u);
  EXPECT_EQ(tally.losses.at(client::to_string(dies.target().name)).count, 1u);
}

TEST(Worker, ARefusedSettingIsAnErrorThatSaysWhatTheNodeSaid) {
  FakeNode node(1, [](const std::vector<std::string>& words) -> std::string {
    return words[0] == "SELECT" ? "+OK\r\n" : "-LEVEL this keyspace can't give that level\r\n";
  });
  auto options = to({node.target()});
  options.prelude = {"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*1\r\n$8\r\nKV.LEVEL\r\n", 2};
  Worker worker(options);
  const auto connected = worker.connect();
  ASSERT_FALSE(connected);
  EXPECT_NE(connected.error().detail.find("LEVEL this keyspace"), std::string::npos);
}

TEST(Worker, AFillEndsWithTheFirstWriteThatFails) {
  FakeNode node(1, [](const std::vector<std::string>& words) -> std::string {
    return words[1].back() == '9' ? "-BUSY too many\r\n" : "+OK\r\n";
  });
  Worker worker(to({node.target()}));
  ASSERT_TRUE(worker.connect());
  auto phase = count(worker.fill_count());
  phase.fill = true;
  const auto filled = worker.run(phase);
  ASSERT_FALSE(filled);
  EXPECT_NE(filled.error().detail.find("BUSY too many"), std::string::npos);
}

TEST(Worker, ANodeThatIsNotThereIsAnErrorAtOnce) {
  asio::io_context io;
  tcp::acceptor door(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  const Target target{{"127.0.0.1", door.local_endpoint().port()}, door.local_endpoint()};
  door.close();
  Worker worker(to({target}));
  const auto connected = worker.connect();
  ASSERT_FALSE(connected);
  EXPECT_NE(connected.error().detail.find("refused"), std::string::npos);
}

TEST(Worker, StoppedItBeginsNothingNew) {
  FakeNode node(1, good);
  Worker worker(to({node.target()}));
  ASSERT_TRUE(worker.connect());
  worker.stop();
  auto phase = count(1);
  phase.pace.requests = PaceOptions().requests;
  ASSERT_TRUE(worker.run(phase));
  worker.abandon();
  ASSERT_TRUE(worker.run(phase));
}

}  // namespace
}  // namespace kvorum::load
