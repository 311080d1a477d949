#include "app/cli_shell.h"

#include <editline/readline.h>
#include <fmt/format.h>

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "app/cli_words.h"
#include "app/verbs.h"

namespace kvorum::app {
namespace {

constexpr int kHistoryLines = 1000;

// libedit's generator takes no context: what attempt() found waits here, and is handed out from the
// end.
std::vector<std::string> found_words;

char* next_word(const char*, int) {
  if (found_words.empty()) {
    return nullptr;
  }
  const auto word = std::move(found_words.back());
  found_words.pop_back();
  return ::strdup(word.c_str());  // libedit frees it
}

char** attempt(const char* typed, int start, int) {
  rl_attempted_completion_over = 1;  // no file names
  const ByteView line(rl_line_buffer);
  found_words = complete(line.substr(0, static_cast<std::size_t>(start) + std::strlen(typed)));
  return found_words.empty() ? nullptr : rl_completion_matches(typed, next_word);
}

std::string history_path() {
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? std::string() : std::string(home) + "/.kvorum_history";
}

}  // namespace

int run_shell(CliSession& session) {
  std::setlocale(LC_CTYPE, "");
  rl_readline_name = "kvorum";
  static char breaks[] = " ";
  rl_completer_word_break_characters = breaks;
  rl_attempted_completion_function = attempt;
  using_history();
  stifle_history(kHistoryLines);
  const auto path = history_path();
  if (!path.empty()) {
    read_history(path.c_str());
  }
  fmt::print("help lists the commands; Tab completes; exit leaves.\n");
  session.connect();
  while (char* line = ::readline(session.prompt().c_str())) {
    const std::string text = line;
    std::free(line);
    if (text.find_first_not_of(' ') == std::string::npos) {
      continue;
    }
    add_history(text.c_str());
    if (session.run_line(text, {}) == LineResult::kLeave) {
      break;
    }
  }
  if (!path.empty()) {
    write_history(path.c_str());
  }
  return kOk;
}

}  // namespace kvorum::app
