#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "app/check.h"
#include "app/verbs.h"
#include "check/judge.h"
#include "check/report.h"
#include "check/stats.h"

namespace kvorum::app {
namespace {

constexpr std::chrono::seconds kWeakerBudget{5};  // to name a model that a bad history satisfies

using Clock = std::chrono::steady_clock;

// Bad input before a violation before an unknown answer before ok.
int worse(int a, int b) {
  const auto rank = [](int code) {
    switch (code) {
      case kBadInput:
        return 3;
      case kFailed:
        return 2;
      case kUndecided:
        return 1;
      default:
        return 0;
    }
  };
  return rank(a) >= rank(b) ? a : b;
}

int code_of(check::Answer answer) {
  switch (answer) {
    case check::Answer::kOk:
      return kOk;
    case check::Answer::kViolation:
      return kFailed;
    case check::Answer::kUnknown:
      return kUndecided;
  }
  return kUndecided;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

bool write_file(const std::string& path, const std::string& bytes) {
  auto* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) {
    return false;
  }
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  return std::fclose(file) == 0 && written;
}

// One history, judged and reported.
class Judgement {
 public:
  Judgement(const CheckOptions& options, const check::History& history, std::string files)
      : options_(options), history_(history), files_(std::move(files)) {}

  int run() {
    const int code = options_.all ? run_all() : run_each();
    if (options_.stats) {
      const auto stats = to_string(check::stats_of(history_));
      print(options_.json ? "" : fmt::format("  {}\n", stats));
    }
    return worse(code, draw());
  }

 private:
  check::Budget budget() const { return {options_.budget, options_.memory}; }

  int run_each() {
    int code = kOk;
    for (const auto& model : options_.models) {
      const auto begin = Clock::now();
      auto verdict = judge(history_, model, budget());
      verdict.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      const auto weaker =
          verdict.answer == check::Answer::kViolation ? weaker_than(model) : std::string();
      if (options_.json) {
        print(explain_json(history_, verdict, weaker, command(model)) + '\n');
      } else {
        print(line(verdict, options_.models.size() > 1));
        print(explain_text(history_, verdict, weaker, command(model)));
        if (verdict.answer == check::Answer::kOk && !verdict.detail.empty()) {
          print(fmt::format("  {}\n", verdict.detail));
        }
      }
      keep_for_page(verdict, weaker);
      code = worse(code, code_of(verdict.answer));
    }
    return code;
  }

  int run_all() {
    const auto ranking = judge_all(history_, budget());
    bool undecided = false;
    for (const auto& verdict : ranking.verdicts) {
      undecided |= verdict.answer == check::Answer::kUnknown;
      if (options_.json) {
        print(explain_json(history_, verdict, {}, command(verdict.model)) + '\n');
      } else {
        print(line(verdict, true));
        if (verdict.answer == check::Answer::kViolation) {
          print(fmt::format("  {}\n", verdict.sentence));
        }
      }
      keep_for_page(verdict, {});
    }
    const auto strongest = ranking.strongest ? to_string(*ranking.strongest) : "none";
    print(options_.json ? fmt::format("{{\"strongest\":\"{}\"}}\n", strongest)
                        : fmt::format("strongest={}\n", strongest));
    return ranking.strongest ? kOk : undecided ? kUndecided : kFailed;
  }

  std::string line(const check::Verdict& verdict, bool name_model) const {
    auto out = fmt::format("{}: {} ops={} time={:.3f}", history_.source, to_string(verdict.answer),
                           history_.operations.size(), verdict.seconds);
    out += verdict.answer == check::Answer::kUnknown ? " reason=" + verdict.reason : "";
    return out + (name_model ? " model=" + to_string(verdict.model) : "") + '\n';
  }

  // The strongest model that holds where this one does not; empty: none is known.
  std::string weaker_than(const check::Model& model) const {
    const auto time = std::min<std::chrono::nanoseconds>(options_.budget, kWeakerBudget);
    const auto ranking = judge_all(history_, {time, options_.memory});
    const bool found = ranking.strongest && *ranking.strongest != model;
    return found ? to_string(*ranking.strongest) : std::string();
  }

  std::string command(const check::Model& model) const {
    return fmt::format("kvorum check --model {}{}{}", to_string(model), options_.repeated, files_);
  }

  // The page shows the first violation, else the first answer.
  void keep_for_page(const check::Verdict& verdict, const std::string& weaker) {
    const bool first = !page_ || (page_->answer != check::Answer::kViolation &&
                                  verdict.answer == check::Answer::kViolation);
    if (first) {
      page_ = verdict;
      page_weaker_ = weaker;
    }
  }

  int draw() const {
    if (options_.html.empty() || !page_) {
      return kOk;
    }
    if (!write_file(options_.html,
                    explain_html(history_, *page_, page_weaker_, command(page_->model)))) {
      return complain(kBadInput, fmt::format("{}: {}", options_.html, std::strerror(errno)));
    }
    return kOk;
  }

  const CheckOptions& options_;
  const check::History& history_;
  std::string files_;
  std::optional<check::Verdict> page_;
  std::string page_weaker_;
};

int check_files(const CheckOptions& options, const std::vector<std::string>& files,
                const std::string& quoted_files) {
  const auto history = check::load(files, options.load);
  if (!history) {
    return complain(kBadInput, history.error().detail);
  }
  for (const auto& warning : history->warnings) {
    complain(kOk, fmt::format("warning: {}: {}", history->source, warning));
  }
  return Judgement(options, *history, quoted_files).run();
}

}  // namespace

int run_check(const CheckOptions& options) {
  if (options.together) {
    std::string all;
    for (const auto& file : options.quoted_files) {
      all += ' ' + file;
    }
    return check_files(options, options.files, all);
  }
  int code = kOk;
  for (std::size_t i = 0; i < options.files.size(); ++i) {
    code = worse(code, check_files(options, {options.files[i]}, ' ' + options.quoted_files[i]));
    std::fflush(stdout);
  }
  return code;
}

}  // namespace kvorum::app
