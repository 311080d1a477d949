#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "app/cluster_dir.h"
#include "app/cluster_run.h"
#include "app/process.h"
#include "client/status.h"

namespace kvorum::app {
namespace {

namespace fs = std::filesystem;

class ClusterDirTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/kvorum-dir-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  void TearDown() override { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
  }

  fs::path path_;
};

TEST_F(ClusterDirTest, OnlyTheFirstStartFormsANode) {
  const ClusterDir dir(path_.string());
  EXPECT_EQ(dir.mark_formed(NodeId(1)), true);
  EXPECT_EQ(dir.mark_formed(NodeId(2)), true);
  EXPECT_EQ(dir.mark_formed(NodeId(1)), false);
  fs::create_directories(path_ / "node1");
  write("node1/CURRENT", "x");
  dir.unmark_if_empty(NodeId(1));
  EXPECT_EQ(dir.mark_formed(NodeId(1)), false);
  EXPECT_EQ(ClusterDir(path_.string()).mark_formed(NodeId(2)), false);
}

TEST_F(ClusterDirTest, AWipedNodeStaysFormed) {
  const ClusterDir dir(path_.string());
  fs::create_directories(path_ / "node1");
  EXPECT_EQ(dir.mark_formed(NodeId(1)), true);
  fs::remove_all(path_ / "node1");
  EXPECT_EQ(dir.mark_formed(NodeId(1)), false);
}

TEST_F(ClusterDirTest, AFirstStartThatFailedBeforeStoringAnythingMayBeRepeated) {
  const ClusterDir dir(path_.string());
  EXPECT_EQ(dir.mark_formed(NodeId(1)), true);
  dir.unmark_if_empty(NodeId(1));
  EXPECT_EQ(dir.mark_formed(NodeId(1)), true);
}

TEST_F(ClusterDirTest, APidThatBelongsToAnotherProcessIsNotTheNode) {
  const ClusterDir dir(path_.string());
  write("node1.pid", std::to_string(::getpid()) + "\n");
  EXPECT_FALSE(dir.find(NodeId(1)));
  write("node1.pid", "nonsense");
  EXPECT_FALSE(dir.find(NodeId(1)));
  EXPECT_FALSE(dir.find(NodeId(2)));
}

TEST_F(ClusterDirTest, OneCommandAtATime) {
  ClusterDir first(path_.string());
  ClusterDir second(path_.string());
  ASSERT_TRUE(first.lock(false));
  EXPECT_FALSE(second.lock(false));
  first.unlock();
  EXPECT_TRUE(second.lock(false));
}

TEST_F(ClusterDirTest, ADirectoryWithoutAClusterIsSaid) {
  const ClusterDir dir(path_.string());
  EXPECT_EQ(dir.config().error().detail, "there is no cluster in " + path_.string());
}

TEST_F(ClusterDirTest, TheLastLogLineIsTheLastThatSaysSomething) {
  const ClusterDir dir(path_.string());
  EXPECT_EQ(dir.last_log_line(NodeId(1)), "");
  write("node1.log", std::string(10000, 'x') + "\nfirst\nport 1 is in use\n\n");
  EXPECT_EQ(dir.last_log_line(NodeId(1)), "port 1 is in use");
}

TEST_F(ClusterDirTest, AProcessIsFoundByItsArgumentsSignalledAndAwaited) {
  const auto script = (path_ / "wait.sh").string();
  write("wait.sh", "read line <\"$1\"\n");  // waits for a writer that never comes
  const auto pipe = (path_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto log = (path_ / "log").string();
  auto process = Process::spawn({"/bin/sh", script, pipe, "--data", "here"}, log, Orphan::kDies);
  ASSERT_TRUE(process);
  EXPECT_FALSE(process->wait(Duration(0)));
  // Between fork and exec the child still shows our own command line.
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  std::optional<Process> found;
  while (!found && std::chrono::steady_clock::now() < deadline) {
    found = Process::find(process->pid(), {"--data", "here"});
  }
  ASSERT_TRUE(found);
  EXPECT_FALSE(Process::find(process->pid(), {"--data", "elsewhere"}));
  found->signal(SIGTERM);
  EXPECT_TRUE(process->wait(30s));
  EXPECT_FALSE(Process::find(process->pid(), {"--data", "here"}));
}

TEST(StatusWord, IsReadFromTheFirstLineOnly) {
  const std::string status = "node:1 role:leader term:3 leader:1\npartition:1 term:9 lag:4\n";
  EXPECT_EQ(client::status_word(status, "role"), "leader");
  EXPECT_EQ(client::status_word(status, "term"), "3");
  EXPECT_EQ(client::status_word(status, "leader"), "1");
  EXPECT_EQ(client::status_word(status, "lag"), "");
  EXPECT_EQ(client::status_word("", "role"), "");
}

}  // namespace
}  // namespace kvorum::app
