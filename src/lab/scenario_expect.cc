// What is expected of a scenario.
#include "base/parse.h"
#include "lab/scenario_parts.h"
#include "lab/scenario_words.h"

namespace kvorum::lab {
namespace {

using Sightings = std::vector<Sighting>;

std::optional<check::Model> read_model(const Object& object, std::string_view name) {
  std::string word;
  object.text(name, word);
  const auto model = check::parse_model(word);
  if (object.find(name) != nullptr && !model) {
    object.problem().add_unknown(object.path_of(name), word, "model", words_of("model"));
  }
  return model;
}

// What the level promises of a whole history.
check::Model promised(const Level& level) {
  switch (level.kind) {
    case LevelKind::kLinearizable:
      return {check::ModelKind::kLinearizable, 0};
    case LevelKind::kSequential:
      return {check::ModelKind::kSequential, 0};
    case LevelKind::kPrefix:
      return {check::ModelKind::kPrefix, 0};
    case LevelKind::kCausal:
      return {check::ModelKind::kCausal, 0};
    default:
      return {check::ModelKind::kConvergence, 0};
  }
}

// "client0": 0.
std::optional<std::uint32_t> client_number(const std::string& name) {
  constexpr std::string_view kClient = "client";
  return name.starts_with(kClient)
             ? parse_number<std::uint32_t>(ByteView(name).substr(kClient.size()))
             : std::nullopt;
}

void add_sighting(Sighting sighting, const std::string& path, Problem& problem, Sightings& out) {
  for (const auto& other : out) {
    if (other.client == sighting.client && other.key == sighting.key) {
      problem.add(path, "{} is there twice", in_quotes(sighting.key));
    }
  }
  out.push_back(std::move(sighting));
}

// "a=0", or {"a": "0"}, where null is absent; a list of them at most once.
void read_sighting(const Json& json, std::uint32_t client, const std::string& path,
                   Problem& problem, Sightings& out) {
  if (json.is_object()) {
    for (const auto& item : json.items()) {
      Sighting sighting{client, item.key(), std::nullopt};
      if (!item.value().is_null()) {
        sighting.value = read_value(item.value(), path + "." + item.key(), problem);
      }
      add_sighting(std::move(sighting), path, problem, out);
    }
    return;
  }
  const auto text = json.is_string() ? json.get<std::string>() : std::string();
  const auto equals = text.find('=');
  if (equals == std::string::npos) {
    return problem.add(path, "must be like \"a=0\", or {{\"a\": null}} for an absent key");
  }
  add_sighting({client, text.substr(0, equals), text.substr(equals + 1)}, path, problem, out);
}

void read_together(const Object& object, std::string_view name, std::vector<Sightings>& out) {
  auto& problem = object.problem();
  for (const auto& [at, json] : object.list(name)) {
    if (!json->is_object() || json->empty()) {
      return problem.add(at, "must be an object like {{\"client0\": \"a=0\"}}");
    }
    auto& sightings = out.emplace_back();
    for (const auto& item : json->items()) {
      const auto path = at + "." + item.key();
      const auto client = client_number(item.key());
      if (!client) {
        problem.add(path, "must be 'client' and its number");
      } else if (!item.value().is_array()) {
        read_sighting(item.value(), *client, path, problem, sightings);
      } else {
        for (std::size_t i = 0; i < item.value().size(); ++i) {
          read_sighting(item.value()[i], *client, fmt::format("{}[{}]", path, i), problem,
                        sightings);
        }
      }
    }
  }
}

void read_expect(const Object& object, Expectations& out) {
  out.model = read_model(object, "model");
  out.violates = read_model(object, "violates");
  if (out.violates && out.model == out.violates) {
    object.problem().add(object.path_of("violates"), "'model' says that it holds");
  }
  for (const auto& [key, value] : object.entries("final")) {
    auto& last = out.final[key];
    if (!value->is_null()) {
      last = read_value(*value, object.path_of("final") + "." + key, object.problem());
    }
  }
  read_together(object, "never", out.never);
  read_together(object, "once", out.once);
}

}  // namespace

void read_expectations(const Object& file, Scenario& scenario) {
  auto& expect = scenario.expect;
  if (const auto* json = file.find("expect")) {
    read_expect(Object(*json, file.path_of("expect"), words_of("expect"), file.problem()), expect);
  }
  const auto model = promised(scenario.level);
  if (!expect.model && expect.violates != model) {
    expect.model = model;
  }
  const check::Model convergence{check::ModelKind::kConvergence, 0};
  scenario.until_quiet = scenario.until_quiet || !expect.final.empty() ||
                         expect.model == convergence || expect.violates == convergence;
}

}  // namespace kvorum::lab
