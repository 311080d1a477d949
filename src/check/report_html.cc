// The history and the verdict as data for the page in report.html.
#include "check/report_html.h"

#include "check/page.h"
#include "check/report.h"
#include "check/report_parts.h"

namespace kvorum::check {

std::string explain_html(const History& history, const Verdict& verdict, const std::string& weaker,
                         const std::string& command) {
  constexpr std::size_t kMaxOperations = 20'000;  // that a browser still moves about smoothly
  std::string json = "{";
  append_member("file", history.source, json);
  append_member("weaker", weaker, json);
  append_member("command", command.empty() ? plain_command(history, verdict) : command, json);
  PageData(history, verdict, kMaxOperations).append(json);
  json += '}';
  return filled(kReportPage, json);
}

}  // namespace kvorum::check
