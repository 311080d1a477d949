#!/usr/bin/env python3
"""House rules that a machine can check; `./dev lint` runs this. Standard library only.

Prints `path:line: rule: message` for each violation and exits 1 if there is one. A line that has a
good reason to differ carries (or follows a line with) the comment `tidy: allow RULE, because ...`.

usage: tidy.py [--root DIR] [--rule NAME]... [--format]
"""

import argparse
import ast
import pathlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

# Which folder may include which. "raft/message.h" is that header alone, "store" the whole folder.
# `app` is absent: it may include anything.
MAY_INCLUDE = {
    "base": [],
    "model": ["base"],
    "quorum": ["base"],
    "raft": ["base", "model", "quorum"],
    "dynamo": ["base", "model", "quorum"],
    "wire": ["base", "model", "raft/message.h", "dynamo/message.h"],
    "store": ["base", "model"],
    "kv": ["base", "model", "store/store.h"],
    "node": ["base", "model", "raft", "dynamo", "kv", "store/store.h", "store/log.h"],
    "front": ["base", "model", "wire"],
    "net": ["base", "model", "wire", "front", "node", "store"],
    "client": ["base", "model", "wire"],
    "sim": ["base", "model", "wire", "node", "dynamo/core.h", "dynamo/version.h", "store/store.h",
            "store/log.h", "store/mem.h"],
    "load": ["base", "model", "wire", "client"],
    "check": ["base", "model"],
    "lab": ["base", "model", "wire", "client", "sim", "check"],
}

# What the tests beside a folder's sources may include on top of that, for real parts instead of
# stand-ins. Nobody's tests reach upwards, and the judge's tests share nothing with the judged.
TESTS_MAY_INCLUDE = {
    "raft": ["store"],
    "dynamo": ["store"],
    "kv": ["store"],
    "node": ["store", "wire"],
    "net": ["kv", "raft", "dynamo"],
    "client": ["net", "node", "kv", "store"],
    "sim": ["raft", "dynamo", "kv", "store", "check"],
}

# Third-party headers that stay behind one door.
CONFINED = [
    (r"rocksdb/", r"src/store/(rocks|forgetful)\w*\.(cc|h)$", "src/store/rocks*"),
    (r"(boost/(asio|beast)|asio)[/.]", r"(src/(front|net|client|load|app)|tests|bench)/",
     "front, net, client, load, app"),
    (r"sys/socket|netinet/|arpa/", r"(src/(net|client|app)|tests|bench)/", "net, client, app"),
]

PURE = ["base", "model", "quorum", "raft", "dynamo", "kv", "node"]
PURE_EXCEPT = ["src/base/check.cc", "src/base/mutant.cc"]
GLOBAL = r"(?<![\w:])(std)?::"  # `::open(` and `std::rand(`, but not a member of ours
BANNED = [
    (r"chrono::\w*_clock\b", "reads a clock; time is an input"),
    (GLOBAL + r"(time|clock|clock_gettime|gettimeofday)\(|\bclock_gettime\(|\bgettimeofday\("
     r"|(?<![\w.>:])time\((nullptr|NULL|0|&\w+)\)", "reads a clock; time is an input"),
    (GLOBAL + r"(random|drand48)\(|(?<![\w.>])(std::|::)?s?rand\(",
     "draws from a global generator; use Prng"),
    (r"\brandom_device\b|\bmt19937|\buniform_\w+_distribution\b", "draws from elsewhere than Prng"),
    (r"\bstd::(jthread|thread|async|future|promise)\b|\bpthread_", "starts or joins a thread"),
    (r"\bstd::(\w*mutex|condition_variable\w*|\w+_lock|lock_guard|atomic\w*)\b", "locks"),
    (r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>])sleep\(", "sleeps"),
    (r"\b(secure_)?getenv\(", "reads the environment"),
    (GLOBAL + r"(socket|connect|accept|bind|recv|send|sendto)\(", "uses a socket"),
    (r"\b[io]?fstream\b|\bfopen\(|std::filesystem|(?<![\w:])::open\(", "uses a file"),
    (r"#\s*include <(sys/socket\.h|netinet/.*|fcntl\.h|unistd\.h|fstream|filesystem|thread|mutex|"
     r"shared_mutex|condition_variable|future|iostream|random|ctime|time\.h)>",
     "includes what a pure folder has no use for"),
    (r"\bthrow\b(?!\()", "throws; an expected outcome is a Result, a broken invariant a CHECK"),
    (r"\bstd::(cout|cerr|clog|printf|fprintf|puts)\b|(?<![\w.>:])f?printf\(", "prints"),
]
NAME = r"[A-Za-z_][\w:]*"
MUTABLE_STATICS = [
    r"^\s*(static\s+thread_local|thread_local|static)\s+(?!const\b|constexpr\b|inline\s+const)"
    r"[^()]*?\w+(\[\w*\])?\s*(=.*|\{.*\})?;",
    r"^(?!.*\boperator\b)(inline\s+)?"
    r"(?!(using|return|typedef|extern|const|constexpr|namespace|class|struct|enum|union|friend|"
    r"template|goto|static|inline|public|private)\b)"
    rf"{NAME}(<.*>)?[\s*&]+{NAME}(\[\w*\])?\s*(=.*|\{{.*\}})?;$",
]

CPP = (".cc", ".h")
COLUMNS = 100
FILE_LINES, TEST_LINES, FUNCTION_LINES = 600, 800, 70
# The brackets keep these two patterns from finding themselves.
LEFTOVER = re.compile(r"\b(TOD[O]|FIXM[E]|X{3})\b")
MACHINE_PATH = re.compile(r"(?<![\w.}~-])/(wor[k]|roo[t]|hom[e])/")
CODE_IN_COMMENT = re.compile(
    r"^([\w:<>*&]+\s+){0,2}[\w.\[\]>-]+ (=|\+=|-=) .*;$|\w\(.*\)\s*(const\s*)?[;{]$"
    r"|^(if|for|while|switch) \(.*[;{]$|->\w+.*;$|\w::\w+.*;$"
    r"|^\s*(return|break|continue|delete|using|else|do|struct|class|enum|namespace)\b.{0,40}[;{]$"
)
SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__", "kvorum-data"}


@dataclass
class File:
    """One text file: its path from the root, its lines, and for C++ the lines without comments."""

    path: str
    text: str
    lines: list = field(init=False)
    code: list = field(init=False)

    def __post_init__(self):
        self.lines = self.text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        self.code = blank_comments(self.text).split("\n") if self.is_cpp else self.lines

    @property
    def is_cpp(self):
        return self.path.endswith(CPP)

    @property
    def folder(self):
        """`raft` for src/raft/elect.cc, else the empty string."""
        parts = self.path.split("/")
        return parts[1] if parts[0] == "src" and len(parts) > 2 else ""

    @property
    def is_test(self):
        return self.path.startswith("tests/") or bool(
            re.search(r"_test\.\w+$|/test_\w+\.\w+$", self.path)
        )


@dataclass
class Tree:
    root: pathlib.Path
    files: list

    def cpp(self):
        return [f for f in self.files if f.is_cpp]


# --- reading --------------------------------------------------------------------------------------


def list_paths(root):
    """Files that git tracks or would track; all files where there is no git."""
    git = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True, check=False,
    )
    if git.returncode == 0:
        return sorted(set(git.stdout.splitlines()))
    found = (p.relative_to(root) for p in root.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if not SKIPPED_FOLDERS & set(p.parts))


def read_tree(root):
    files = []
    for path in list_paths(root):
        if path.startswith("tests/corpus/") or not (root / path).is_file():
            continue
        try:
            files.append(File(path, (root / path).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            pass  # binary
    return Tree(root, files)


TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^ ()\\\n]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)


def blank_comments(text):
    """Comments and the insides of literals become blanks, so columns and lines stay the same."""

    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        if text[text.rfind("\n", 0, match.start()) + 1:].startswith("#include"):
            return token
        return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]

    return TOKEN.sub(blank, text)


# --- include table --------------------------------------------------------------------------------


def cmake_words(text):
    return re.sub(r"#[^\n]*", "", text).replace("(", " ( ").replace(")", " ) ").split()


def declared_folders(tree):
    """{folder: {"line", "DEPS", "TEST_DEPS"}} out of every kvorum_library(...) call."""
    keys = {"SOURCES", "DEPS", "LIBS", "TESTS", "TEST_DEPS", "TEST_LIBS"}
    declared = {}
    for file in tree.files:
        if not re.fullmatch(r"src/\w+/CMakeLists\.txt", file.path):
            continue
        words = cmake_words(file.text)
        for at in (i for i, word in enumerate(words) if word == "kvorum_library"):
            lists, key = {k: [] for k in keys}, None
            for word in words[at + 3: words.index(")", at)]:
                if word in keys:
                    key = word
                elif key:
                    lists[key].append(word)
            line = line_of(file.text, file.text.index("kvorum_library"))
            declared[words[at + 2]] = {"path": file.path, "line": line, **lists}
    return declared


def reachable(declared, folders):
    seen, todo = set(), list(folders)
    while todo:
        folder = todo.pop()
        if folder not in seen:
            seen.add(folder)
            todo += declared.get(folder, {}).get("DEPS", [])
    return seen


def fits(table, include):
    return any(include == row or include.startswith(row + "/") for row in table)


def check_declared(declared):
    for folder, entry in declared.items():
        if folder == "app":
            continue
        table = MAY_INCLUDE.get(folder)
        if table is None:
            yield entry["path"], entry["line"], f"folder {folder} is not in the table of tidy.py"
            continue
        names = {row.split("/")[0] for row in table}
        test_names = names | set(TESTS_MAY_INCLUDE.get(folder, []))
        for dep in entry["DEPS"]:
            if dep not in names:
                yield entry["path"], entry["line"], f"{folder} may not depend on {dep}"
        for dep in entry["TEST_DEPS"]:
            if dep not in test_names:
                yield entry["path"], entry["line"], f"the tests of {folder} may not depend on {dep}"


def check_one_include(file, include, declared):
    own, target = file.folder, include.split("/")[0]
    if "/" not in include:
        return f'"{include}" must be written with its folder'
    if target == own or own == "app":
        return None
    table, deps = list(MAY_INCLUDE.get(own, [])), list(declared.get(own, {}).get("DEPS", []))
    if file.is_test:
        table += TESTS_MAY_INCLUDE.get(own, [])
        deps += declared.get(own, {}).get("TEST_DEPS", [])
    if not fits(table, include):
        return f"{own}/ may not include {include}"
    if target not in reachable(declared, deps):
        return f"{target} is missing in the DEPS of src/{own}/CMakeLists.txt"
    return None


def rule_include(tree):
    """The table of folders, for DEPS and for each #include."""
    declared = declared_folders(tree)
    yield from check_declared(declared)
    for file in tree.cpp():
        if not file.folder:
            continue
        for number, line in enumerate(file.code, 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            message = match and check_one_include(file, match.group(1), declared)
            if message:
                yield file.path, number, message


def rule_confined(tree):
    """Third-party headers stay where they are wrapped."""
    for file in tree.cpp():
        for number, line in enumerate(file.code, 1):
            match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            for header, allowed, where in CONFINED if match else []:
                if re.match(header, match.group(1)) and not re.match(allowed, file.path):
                    yield file.path, number, f"{match.group(1)} is only for {where}"


# --- sizes ----------------------------------------------------------------------------------------


def is_source(file):
    name = file.path.split("/")[-1]
    return file.path.endswith((*CPP, ".def", ".proto", ".py", ".sh", ".cmake", ".js", ".mjs")) or (
        name in ("CMakeLists.txt", "dev")
    )


def rule_file_length(tree):
    """Files stay short enough to read."""
    for file in filter(is_source, tree.files):
        limit = TEST_LINES if file.is_test else FILE_LINES
        if len(file.lines) > limit:
            yield file.path, limit + 1, f"{len(file.lines)} lines; the limit is {limit}"


def rule_columns(tree):
    """100 columns."""
    for file in filter(is_source, tree.files):
        for number, line in enumerate(file.lines, 1):
            if len(line) > COLUMNS:
                yield file.path, number, f"{len(line)} columns; the limit is {COLUMNS}"


def blank_preprocessor(code):
    out, continued = [], False
    for line in code:
        directive = continued or line.lstrip().startswith("#")
        continued = directive and line.endswith("\\")
        out.append("" if directive else line)
    return "\n".join(out)


def line_of(text, offset):
    return 1 + text.count("\n", 0, offset)


def closing_brace(text, start):
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    return len(text)


def brace_kind(statement):
    """What the brace after this text opens: a "scope" to look into, a "function", or "other"."""
    plain = statement
    while plain != (plain := re.sub(r"\([^()]*\)", "@", plain)):  # parameter lists become one sign
        pass
    plain = re.sub(r"operator\s*[^\w\s@]+", "operator", plain)
    plain = re.sub(r"\b(public|private|protected)\s*:(?!:)", "", plain)
    if re.search(r"\b(enum|union)\b", plain) and "@" not in plain:
        return "other"
    words = re.sub(r"template\s*<.*?>\s*(?=class|struct|requires|concept|\w)", "", plain)
    if re.match(r"\s*(inline\s+)?namespace\b|\s*extern\s*\"", words):
        return "scope"
    if re.match(r"\s*(class|struct|union)\b", words) and not re.search(r"\w@[^:]*$", words):
        return "scope"
    return "function" if "@" in plain and "=" not in plain.split("@")[0] else "other"


def functions(code):
    """(first line, last line, name) of each function defined at namespace or class level."""
    text = blank_preprocessor(code)
    start, at = 0, 0
    for_next = re.compile(r"[{};]")
    while match := for_next.search(text, at):
        sign, statement = match.group(), text[start:match.start()]
        at = match.end()
        if statement.count("(") > statement.count(")"):
            continue  # inside an argument list
        if sign != "{" or brace_kind(statement) == "scope":
            start = at
            continue
        end = closing_brace(text, match.start())
        at = end + 1
        if re.match(r"\s*[,{]", text[at:]):
            continue  # a member's initialiser, such as `: count_{0} {`
        if brace_kind(statement) == "function":
            first = start + len(statement) - len(statement.lstrip())
            name = re.search(r"([\w:~]+)\s*\(", statement)
            yield line_of(text, first), line_of(text, end), name.group(1) if name else "a function"
        start = at


def python_functions(file):
    for node in ast.walk(ast.parse(file.text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno, node.name


def rule_function_length(tree):
    """A function fits a screen or two."""
    for file in tree.files:
        found = []
        if file.is_cpp:
            found = functions(file.code)
        elif file.path.endswith(".py"):
            found = python_functions(file)
        for first, last, name in found:
            if last - first + 1 > FUNCTION_LINES:
                length = last - first + 1
                yield file.path, first, f"{name}: {length} lines; the limit is {FUNCTION_LINES}"


# --- build ----------------------------------------------------------------------------------------


def rule_unbuilt(tree):
    """Each source file is named in a CMakeLists.txt at or above it."""
    named = set()
    for file in tree.files:
        if file.path.endswith("CMakeLists.txt"):
            folder = file.path[: -len("CMakeLists.txt")]
            named |= {folder + word.strip('"') for word in cmake_words(file.text)}
    for file in tree.files:
        if re.match(r"(src|bench|tests)/.*\.(cc|proto)$", file.path) and file.path not in named:
            yield file.path, 1, "no CMakeLists.txt builds this file"


def rule_pragma_once(tree):
    """Headers guard themselves."""
    for file in tree.cpp():
        first = next((line.strip() for line in file.code if line.strip()), "")
        if file.path.endswith(".h") and first != "#pragma once":
            yield file.path, 1, "a header begins with #pragma once"


# --- calls ----------------------------------------------------------------------------------------


def is_pure(file):
    return file.folder in PURE and not file.is_test and file.path not in PURE_EXCEPT


def unordered_names(tree, file):
    """Names declared as hash containers in the file or in the header beside it."""
    stem = re.sub(r"\.\w+$", "", file.path)
    text = " ".join(" ".join(f.code) for f in tree.cpp() if re.sub(r"\.\w+$", "", f.path) == stem)
    declared = r"\bunordered_\w+<[^;(){}]*>&?\s+(\w+)"
    return set(re.findall(declared, text))


def rule_pure(tree):
    """The deterministic folders take time, chance and I/O as inputs, and hold no hidden state."""
    for file in filter(is_pure, tree.cpp()):
        hashed = unordered_names(tree, file)
        for number, line in enumerate(file.code, 1):
            for pattern, message in BANNED:
                if re.search(pattern, line):
                    yield file.path, number, message
            if any(re.search(pattern, line) for pattern in MUTABLE_STATICS):
                yield file.path, number, "mutable static or global state"
            loop = re.search(r"\bfor \(.*[^:]: \*?(\w+)\)", line)
            if loop and loop.group(1) in hashed:
                yield file.path, number, f"iterates over {loop.group(1)}, a hash container"


def rule_test_sleep(tree):
    """Tests wait for a condition with a deadline."""
    for file in tree.cpp():
        for number, line in enumerate(file.code if file.is_test else [], 1):
            if re.search(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>])sleep\(", line):
                yield file.path, number, "a test waits for a condition, not for a time"


# --- text -----------------------------------------------------------------------------------------


def rule_leftover(tree):
    """Nothing is left for later in the text."""
    for file in tree.files:
        for number, line in enumerate(file.lines, 1):
            match = LEFTOVER.search(line)
            if match:
                yield file.path, number, f"{match.group(1)} left in the text"


def rule_commented_code(tree):
    """Comments are prose; history keeps old code."""
    for file in tree.cpp():
        for number, line in enumerate(file.lines, 1):
            match = re.match(r"\s*//+\s?(.*)", line)
            if match and CODE_IN_COMMENT.search(match.group(1).rstrip()):
                yield file.path, number, "looks like commented-out code"


def rule_machine_path(tree):
    """Paths are relative to the repository, or to a place the user names."""
    for file in tree.files:
        for number, line in enumerate(file.lines, 1):
            match = MACHINE_PATH.search(line)
            if match:
                yield file.path, number, f"{match.group(0)} is a path of one machine"


# --- format ---------------------------------------------------------------------------------------


def clang_format():
    for name in ("clang-format-14", "clang-format"):
        found = shutil.which(name)
        if found:
            command = [found, "--version"]
            if " 14." in subprocess.run(command, capture_output=True, text=True, check=True).stdout:
                return found
    return None


def formatted_files(tree):
    return [f.path for f in tree.cpp() if re.match(r"(src|tests|bench|examples)/", f.path)]


def rule_format(tree):
    """clang-format 14 has nothing to change."""
    paths = formatted_files(tree)
    if not paths:
        return
    tool = clang_format()
    if not tool:
        yield ".clang-format", 1, "clang-format 14 is missing: ./dev setup installs it"
        return
    command = [tool, "--dry-run", "--style=file", *paths]
    run = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=False)
    seen = set()
    for path, line in re.findall(r"^([^:\n]+):(\d+):\d+: (?:warning|error):", run.stderr, re.M):
        if path not in seen:
            seen.add(path)
            yield path, int(line), "./dev format changes this file"


def apply_format(tree):
    tool, paths = clang_format(), formatted_files(tree)
    if not tool:
        sys.exit("tidy: clang-format 14 is missing: ./dev setup installs it")
    if paths:
        subprocess.run([tool, "-i", "--style=file", *paths], cwd=tree.root, check=True)


# --- running --------------------------------------------------------------------------------------

RULES = {
    name[len("rule_"):].replace("_", "-"): rule
    for name, rule in list(globals().items())
    if name.startswith("rule_")
}


def allowed(lines, number, rule):
    around = lines[max(0, number - 2): number]
    return any(re.search(rf"tidy: allow {rule}\b", line) for line in around)


def violations(root, rules=None):
    """Sorted (path, line, rule, message)."""
    tree = read_tree(pathlib.Path(root))
    lines = {file.path: file.lines for file in tree.files}
    found = []
    for name in rules or RULES:
        for path, number, message in RULES[name](tree):
            if not allowed(lines.get(path, []), number, name):
                found.append((path, number, name, message))
    return sorted(set(found))


def main():
    parser = argparse.ArgumentParser(description="Checks the house rules.")
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--rule", action="append", choices=sorted(RULES), help="only this rule")
    parser.add_argument("--format", action="store_true", help="apply clang-format and stop")
    args = parser.parse_args()
    if args.format:
        apply_format(read_tree(pathlib.Path(args.root)))
        return 0
    found = violations(args.root, args.rule)
    for path, number, rule, message in found:
        print(f"{path}:{number}: {rule}: {message}")
    if found:
        print(f"{len(found)} violations", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
