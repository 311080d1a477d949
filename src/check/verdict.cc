#include "check/verdict.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace kvorum::check {
namespace {

constexpr std::array<std::pair<std::string_view, ModelKind>, 15> kWords = {{
    {"linearizable", ModelKind::kLinearizable},
    {"sequential", ModelKind::kSequential},
    {"causal", ModelKind::kCausal},
    {"cc", ModelKind::kCc},
    {"ccv", ModelKind::kCcv},
    {"cm", ModelKind::kCm},
    {"read-your-writes", ModelKind::kReadYourWrites},
    {"monotonic-reads", ModelKind::kMonotonicReads},
    {"monotonic-writes", ModelKind::kMonotonicWrites},
    {"writes-follow-reads", ModelKind::kWritesFollowReads},
    {"prefix", ModelKind::kPrefix},
    {"convergence", ModelKind::kConvergence},
    {"durability", ModelKind::kDurability},
    {"program-order", ModelKind::kProgramOrder},
    {"levels", ModelKind::kLevels},
}};

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr std::array<Unit, 4> kUnits = {
    {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}}};

std::optional<Model> parse_bound(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) {
    return std::nullopt;
  }
  const std::string_view unit(end, text.data() + text.size() - end);
  if (unit == "v") {
    return Model{ModelKind::kBoundedVersions, number};
  }
  for (const auto& [name, ns] : kUnits) {
    if (unit == name && number <= kNever / 4 / ns) {
      return Model{ModelKind::kBoundedTime, number * ns};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Model> parse_model(std::string_view word) {
  constexpr std::string_view kBounded = "bounded:";
  if (word.starts_with(kBounded)) {
    return parse_bound(word.substr(kBounded.size()));
  }
  for (const auto& [name, kind] : kWords) {
    if (name == word) {
      return Model{kind, 0};
    }
  }
  return std::nullopt;
}

std::string to_string(const Model& model) {
  if (model.kind == ModelKind::kBoundedVersions) {
    return fmt::format("bounded:{}v", model.bound);
  }
  if (model.kind == ModelKind::kBoundedTime) {
    for (const auto& [name, ns] : kUnits) {
      if (model.bound % ns == 0) {
        return fmt::format("bounded:{}{}", model.bound / ns, name);
      }
    }
  }
  for (const auto& [name, kind] : kWords) {
    if (kind == model.kind) {
      return std::string(name);
    }
  }
  return "?";
}

const char* to_string(Answer answer) {
  switch (answer) {
    case Answer::kOk:
      return "ok";
    case Answer::kViolation:
      return "violation";
    case Answer::kUnknown:
      return "unknown";
  }
  return "?";
}

}  // namespace kvorum::check
