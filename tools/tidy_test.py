#!/usr/bin/env python3
"""Plants each kind of violation in a small tree and looks whether tidy.py finds it, and only it."""

import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy  # noqa: E402  (found through the line above)

CLEAN = {
    ".clang-format": "BasedOnStyle: Google\nColumnLimit: 100\n",
    "src/base/CMakeLists.txt": "kvorum_library(base\n  SOURCES bytes.cc)\n",
    "src/base/bytes.h": "// Bytes.\n#pragma once\n\nint size();\n",
    "src/base/bytes.cc": '#include "base/bytes.h"\n\nint size() { return 1; }\n',
    "src/model/CMakeLists.txt": "kvorum_library(model SOURCES entry.cc DEPS base)\n",
    "src/model/entry.cc": '#include "base/bytes.h"\n',
    "src/raft/CMakeLists.txt": "kvorum_library(raft\n  SOURCES elect.cc\n  DEPS model\n"
                               "  TESTS elect_test.cc)\n",
    "src/raft/elect.cc": '#include "base/bytes.h"  // reached through model\n',
    "src/raft/elect_test.cc": "",
    "src/raft/message.h": "#pragma once\n",
    "src/raft/raft.h": "#pragma once\n",
}
SRC = "src/raft/elect.cc"


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="tidy_test_"))
        self.addCleanup(shutil.rmtree, self.root)
        self.write(CLEAN)

    def write(self, files):
        for path, text in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def found(self, files):
        """{(path, line, rule)} after writing the files over the clean tree."""
        self.write(files)
        return {found[:3] for found in tidy.violations(self.root)}

    def expect(self, files, *expected):
        self.assertEqual(self.found(files), set(expected))

    def expect_lines(self, rule, path, bad, good=()):
        """Each bad line alone breaks the rule, each good one does not."""
        for line in bad:
            self.write({path: f"{line}\n"})
            got = {found[2] for found in tidy.violations(self.root, [rule])}
            self.assertEqual(got, {rule}, line)
        for line in good:
            self.write({path: f"{line}\n"})
            self.assertEqual(tidy.violations(self.root, [rule]), [], line)


class Includes(TidyTest):
    def test_a_clean_tree_is_clean(self):
        self.expect({})

    def test_a_folder_outside_the_table(self):
        self.expect({SRC: '#include "store/store.h"\n'}, (SRC, 1, "include"))

    def test_a_folder_of_the_table_that_is_not_declared(self):
        self.expect({SRC: '#include "quorum/quorum.h"\n'}, (SRC, 1, "include"))

    def test_an_include_without_its_folder(self):
        self.expect({SRC: '#include "message.h"\n'}, (SRC, 1, "include"))

    def test_a_commented_include_does_not_count(self):
        self.expect({SRC: '/* #include "store/store.h" */\n'})

    def test_a_declared_dependency_outside_the_table(self):
        cmake = "src/model/CMakeLists.txt"
        text = "kvorum_library(model SOURCES entry.cc DEPS base raft)\n"
        self.expect({cmake: text}, (cmake, 1, "include"))

    def test_a_folder_that_the_table_does_not_know(self):
        cmake = "src/magic/CMakeLists.txt"
        self.expect({cmake: "kvorum_library(magic)\n"}, (cmake, 1, "include"))

    def test_one_header_of_a_folder_and_no_other(self):
        files = {"src/wire/CMakeLists.txt": "kvorum_library(wire SOURCES peer.cc DEPS raft)\n"}
        self.expect({**files, "src/wire/peer.cc": '#include "raft/message.h"\n'})
        self.expect({"src/wire/peer.cc": '#include "raft/raft.h"\n'},
                    ("src/wire/peer.cc", 1, "include"))

    def test_tests_may_reach_for_real_parts_that_they_declare(self):
        cmake = "kvorum_library(raft SOURCES elect.cc DEPS model TESTS elect_test.cc"
        include = {"src/raft/elect_test.cc": '#include "store/mem.h"\n'}
        self.expect({**include, "src/raft/CMakeLists.txt": f"{cmake} TEST_DEPS store)\n"})
        self.expect({**include, "src/raft/CMakeLists.txt": f"{cmake})\n"},
                    ("src/raft/elect_test.cc", 1, "include"))

    def test_the_program_may_include_anything(self):
        self.expect({"src/app/CMakeLists.txt": "kvorum_library(app SOURCES main.cc)\n",
                     "src/app/main.cc": '#include "raft/raft.h"\n'})

    def test_third_party_headers_stay_behind_their_door(self):
        self.expect_lines("confined", SRC,
                          ["#include <rocksdb/db.h>", "#include <boost/asio.hpp>",
                           "#include <boost/beast/http.hpp>", "#include <sys/socket.h>"],
                          ["#include <boost/unordered/unordered_flat_map.hpp>"])
        self.expect_lines("confined", "src/store/rocks_open.cc", ["#include <boost/asio.hpp>"],
                          ["#include <rocksdb/db.h>"])


def function(lines, head="int f() {"):
    return "\n".join([head] + ["  g();"] * (lines - 2) + ["}"]) + "\n"


class Sizes(TidyTest):
    def test_a_long_file(self):
        self.expect({SRC: "int a();\n" * 600})
        self.expect({SRC: "int a();\n" * 601}, (SRC, 601, "file-length"))

    def test_a_long_test(self):
        test = "src/raft/elect_test.cc"
        self.expect({test: "int a();\n" * 800})
        self.expect({test: "int a();\n" * 801}, (test, 801, "file-length"))

    def test_a_wide_line(self):
        self.expect({SRC: "// " + "é" * 97 + "\n"})
        self.expect({SRC: "// " + "x" * 98 + "\n"}, (SRC, 1, "columns"))

    def test_a_long_function_wherever_it_stands(self):
        heads = ["int f() {", "bool operator==(const A& a, const A& b) {", "TEST(A, B) {",
                 "template <class T>\nT f(std::vector<T> a = {}, int b = 3) {",
                 "A::A(int a)\n    : a_(a), b_{a}, c_(g({a})) {", "struct A f(int a) {",
                 "void f() requires(true) {", "auto A::f() const -> std::pair<int, int> {"]
        for head in heads:
            for text in (function(71, head), "namespace a {\n" + function(71, head) + "}\n",
                         "class A : public B {\n public:\n" + function(71, head) + "};\n"):
                self.write({SRC: text})
                self.assertEqual(len(tidy.violations(self.root, ["function-length"])), 1, text[:99])

    def test_a_function_of_the_limit_and_what_is_no_function(self):
        for text in (function(70), function(90, "namespace a {"), function(90, "class A {"),
                     function(90, "enum class A : int {"), function(90, "const Row kTable[] = {"),
                     function(90, "template <>\nstruct A<int(int)> : B {"),
                     "#define A(b) \\\n" + "  b; \\\n" * 90 + "\n",
                     function(40) + "// } {\n" + function(40)):
            self.write({SRC: text})
            self.assertEqual(tidy.violations(self.root, ["function-length"]), [], text[:99])

    def test_a_long_python_function(self):
        self.expect({"tools/a.py": "def f():\n" + "    g()\n" * 69})
        self.expect({"tools/a.py": "def f():\n" + "    g()\n" * 70},
                    ("tools/a.py", 1, "function-length"))


class Build(TidyTest):
    def test_a_source_that_nothing_builds(self):
        self.expect({"src/raft/lost.cc": ""}, ("src/raft/lost.cc", 1, "unbuilt"))

    def test_a_source_that_only_a_comment_names(self):
        cmake = CLEAN["src/raft/CMakeLists.txt"] + "# lost.cc\n"
        self.expect({"src/raft/lost.cc": "", "src/raft/CMakeLists.txt": cmake},
                    ("src/raft/lost.cc", 1, "unbuilt"))

    def test_a_source_named_from_the_folder_above(self):
        self.expect({"tests/CMakeLists.txt": "add_executable(a real/a.cc)\n",
                     "tests/real/a.cc": ""})

    def test_a_header_without_its_guard(self):
        self.expect({"src/raft/a.h": "// A.\nint a();\n"}, ("src/raft/a.h", 1, "pragma-once"))


class Calls(TidyTest):
    def test_banned_calls_in_a_pure_folder(self):
        self.expect_lines(
            "pure", SRC,
            ["auto t = std::chrono::steady_clock::now();", "auto t = time(nullptr);",
             "auto t = std::time(0);", "int a = rand();", "return std::rand();",
             "std::random_device d;", "std::thread t;", "std::lock_guard<std::mutex> l(m);",
             "sleep(1);", 'auto h = std::getenv("A");', "int s = ::socket(1, 2, 3);",
             "std::ifstream in(path);", "  throw Error();", "#include <thread>",
             "  static int calls = 0;", "thread_local int calls;", "static std::vector<int> all;",
             "int calls = 0;", "std::map<int, int> all;", 'std::cout << "a";'],
            ["static constexpr int kA = 1;", "  static const int a = 1;", "static int f(int a);",
             "  auto d = deadline.time();", "Result<T> open(PartitionId id);", "using A = int;",
             "  int local = 0;", "const int kA = 1;", "constexpr int kA = 1;", "class A;",
             "// throw, rand() and std::thread in a comment", '  auto a = "std::thread";',
             "  random(now);", "static A make();", "int f();", "on_connect(peer);",
             "A& A::operator=(A&&) noexcept = default;"])

    def test_iteration_over_a_hash_container_of_the_header(self):
        self.expect({"src/raft/elect.h": "#pragma once\n\nstruct A {\n"
                                         "  std::unordered_map<int, int> votes_;\n};\n",
                     SRC: "void A::f() {\n  for (auto& v : votes_) g(v);\n"
                          "  for (auto& v : sorted_) g(v);\n}\n"}, (SRC, 2, "pure"))

    def test_other_folders_and_tests_may(self):
        line = "std::thread t;\n"
        self.expect({"src/raft/elect_test.cc": line, "src/net/loop.cc": line,
                     "src/net/CMakeLists.txt": "kvorum_library(net SOURCES loop.cc)\n"})

    def test_a_sleep_in_a_test(self):
        self.expect_lines("test-sleep", "src/raft/elect_test.cc",
                          ["std::this_thread::sleep_for(1s);", "usleep(3);", "sleep(1);"],
                          ["// sleep_for", "cluster.sleep(1);"])


class Text(TidyTest):
    def test_leftovers(self):
        for word in ("TO" + "DO", "FIX" + "ME", "X" * 3):
            self.expect({"docs/a.md": f"a\n{word}: b\n"}, ("docs/a.md", 2, "leftover"))

    def test_machine_paths(self):
        for word in ("work", "root", "home"):
            self.expect({"docs/a.md": f"see /{word}/a\n"}, ("docs/a.md", 1, "machine-path"))
        self.expect({"docs/a.md": "src/" + "work/a, ~/" + "home/a and net" + "work/\n"})

    def test_commented_out_code(self):
        self.expect_lines("commented-code", SRC,
                          ["// return 1;", "  // f(a, b);", "// int a = 3;", "// if (a) {",
                           "// for (auto& a : b) {", "// a->b = c;", "// struct A {"],
                          ["// A vote counts once; a second one is dropped.",
                           "// The leader waits (see the thesis, 6.4);", "// written and synced;",
                           "// index = 3 means that the first two are gone;  so",
                           "  int a;  // of the log;"])

    def test_a_line_that_says_why(self):
        self.expect({SRC: "// tidy: allow pure, because this is a test\nstd::thread t;\n"})
        self.expect({SRC: "std::thread t;  // tidy: allow columns, because\n"}, (SRC, 1, "pure"))


class Format(TidyTest):
    def test_a_file_that_clang_format_would_change(self):
        self.expect({SRC: "int  a();\n"}, (SRC, 1, "format"))

    def test_format_repairs_it(self):
        self.write({SRC: "int  a();\n"})
        tidy.apply_format(tidy.read_tree(self.root))
        self.expect({})


if __name__ == "__main__":
    unittest.main()
