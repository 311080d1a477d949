#include "lab/json_reader.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

namespace kvorum::lab {
namespace {

// Walks the text ahead of the parser, which would let the last of equal fields win and has no place
// for a number that is too large.
class Walk : public nlohmann::json_sax<Json> {
 public:
  explicit Walk(const std::string& text) : text_(text) {}

  const std::string& error() const { return error_; }

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_object(std::size_t) override { return start(false); }
  bool end_object() override { return end(); }
  bool start_array(std::size_t) override { return start(true); }
  bool end_array() override { return end(); }

  bool key(string_t& name) override {
    auto& nest = nests_.back();
    nest.field = name;
    if (!nest.fields.insert(name).second) {
      Problem problem;
      problem.add(path(), "is there twice");
      error_ = problem.error().value().detail;
    }
    return error_.empty();
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& why) override {
    const auto at = std::min(std::max<std::size_t>(position, 1) - 1, text_.size());
    const auto line = 1 + std::count(text_.begin(), text_.begin() + std::ptrdiff_t(at), '\n');
    const auto before = at == 0 ? std::string::npos : text_.rfind('\n', at - 1);
    const auto column = before == std::string::npos ? at + 1 : at - before;
    Problem problem;
    problem.add(fmt::format("line {}, column {}", line, column), "{}", explain(why.what()));
    error_ = problem.error().value().detail;
    return false;
  }

 private:
  struct Nest {
    bool list = false;
    std::size_t index = 0;
    std::string field;
    std::set<std::string> fields;
  };

  bool value() {
    if (!nests_.empty()) {
      ++nests_.back().index;
    }
    return true;
  }
  bool start(bool list) {
    nests_.push_back({list, 0, {}, {}});
    return true;
  }
  bool end() {
    nests_.pop_back();
    return value();
  }

  std::string path() const {
    std::string out;
    for (const auto& nest : nests_) {
      out += nest.list ? fmt::format("[{}]", nest.index) : (out.empty() ? "" : ".") + nest.field;
    }
    return out;
  }

  // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while parsing
  // value - invalid literal; last read: '...'"
  static std::string explain(std::string what) {
    what = what.substr(0, what.find("; last read: "));
    for (const std::string_view before : {"] ", "parse error at line "}) {
      if (const auto at = what.find(before); at != std::string::npos) {
        what.erase(0, at + before.size());
      }
    }
    const auto place = what.find("column ");
    const auto colon = place == std::string::npos ? place : what.find(": ", place);
    return (colon == std::string::npos ? what : what.substr(colon + 2)).substr(0, 120);
  }

  const std::string& text_;
  std::vector<Nest> nests_;
  std::string error_;
};

Duration from_ms(double ms) {
  return Duration(static_cast<std::int64_t>(std::llround(ms * 1'000'000)));
}

std::optional<Duration> read_ms(const Json& json, const std::string& path, Problem& problem) {
  if (!json.is_number()) {
    problem.add(path, "must be a number of milliseconds, or [least, most]");
    return std::nullopt;
  }
  const auto ms = json.get<double>();
  if (ms < 0 || ms > static_cast<double>(kMostMs)) {
    problem.add(path, "must be from 0 to {} milliseconds", kMostMs);
    return std::nullopt;
  }
  return from_ms(ms);
}

}  // namespace

Result<Json> parse_json(const std::string& text) {
  Walk walk(text);
  if (!Json::sax_parse(text, &walk)) {
    return fail(ErrorCode::kConfig, "{}", walk.error());
  }
  return Json::parse(text, nullptr, false);
}

std::string in_quotes(std::string_view word) {
  constexpr std::size_t kShown = 40;
  if (word.size() <= kShown) {
    return fmt::format("'{}'", word);
  }
  auto end = kShown;
  while (end > 0 && (static_cast<unsigned char>(word[end]) & 0xc0) == 0x80) {
    --end;  // not amid a character
  }
  return fmt::format("'{}...'", word.substr(0, end));
}

void Problem::set(std::string_view path, std::string_view text) {
  text_ = fmt::format("{}: {}", path.empty() ? "the file" : path, text);
  // Words and names out of the file may hold line breaks.
  std::replace_if(
      text_.begin(), text_.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
}

void Problem::add_unknown(std::string_view path, std::string_view word, std::string_view what,
                          Words words) {
  if (const auto near = nearest(word, words)) {
    add(path, "{} is no {}; did you mean '{}'?", in_quotes(word), what, *near);
  } else {
    add(path, "{} is no {}; there are {}", in_quotes(word), what, listed(words));
  }
}

DelayRange read_range(const Json& json, const std::string& path, Problem& problem) {
  DelayRange out;
  if (!json.is_array()) {
    out.least = out.most = read_ms(json, path, problem).value_or(Duration());
  } else if (json.size() != 2) {
    problem.add(path, "must be a number of milliseconds, or [least, most]");
  } else {
    out.least = read_ms(json[0], path + "[0]", problem).value_or(Duration());
    out.most = read_ms(json[1], path + "[1]", problem).value_or(Duration());
    if (out.least > out.most) {
      problem.add(path, "the least is more than the most");
    }
  }
  return out;
}

std::string read_value(const Json& json, const std::string& path, Problem& problem) {
  if (json.is_string()) {
    return json.get<std::string>();
  }
  if (json.is_number_integer()) {
    return json.dump();
  }
  problem.add(path, "must be a text or a whole number");
  return {};
}

Object::Object(const Json& json, std::string path, Words words, Problem& problem)
    : path_(std::move(path)), problem_(problem) {
  if (!json.is_object()) {
    problem_.add(path_, "must be an object");
    return;
  }
  for (const auto& item : json.items()) {
    const auto at = (path_.empty() ? "" : path_ + ".") + item.key();
    const auto name = meaning(item.key(), words);
    if (!name) {
      const auto near = nearest(item.key(), words);
      problem_.add(at, "unknown field; {}",
                   near ? fmt::format("did you mean '{}'?", *near) : "there are " + listed(words));
    } else if (const auto* other = field(*name)) {
      problem_.add(at, "'{}' says the same", other->word);
    } else {
      fields_.push_back({*name, item.key(), &item.value()});
    }
  }
}

const Object::Field* Object::field(std::string_view name) const {
  const auto at = std::find_if(fields_.begin(), fields_.end(),
                               [&](const Field& one) { return one.name == name; });
  return at == fields_.end() ? nullptr : &*at;
}

const Json* Object::find(std::string_view name) const {
  const auto* found = field(name);
  return found == nullptr || found->value->is_null() ? nullptr : found->value;
}

const Json* Object::require(std::string_view name) const {
  const auto* found = find(name);
  if (found == nullptr) {
    problem_.add(path_, "'{}' is missing", name);
  }
  return found;
}

std::string Object::path_of(std::string_view name) const {
  const auto* found = field(name);
  return (path_.empty() ? "" : path_ + ".") + std::string(found == nullptr ? name : found->word);
}

const Json* Object::typed(std::string_view name, Json::value_t type, std::string_view what) const {
  const auto* found = find(name);
  if (found != nullptr && found->type() != type) {
    problem_.add(path_of(name), "must be {}", what);
    return nullptr;
  }
  return found;
}

std::optional<std::int64_t> Object::whole(std::string_view name, std::int64_t least,
                                          std::int64_t most) const {
  const auto* found = find(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  if (!found->is_number_integer()) {
    problem_.add(path_of(name), "must be a whole number");
    return std::nullopt;
  }
  const bool huge = found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX;
  const auto value = huge ? INT64_MAX : found->get<std::int64_t>();
  if (huge || value < least || value > most) {
    problem_.add(path_of(name), "must be from {} to {}", least, most);
    return std::nullopt;
  }
  return value;
}

void Object::flag(std::string_view name, bool& out) const {
  if (const auto* found = typed(name, Json::value_t::boolean, "true or false")) {
    out = found->get<bool>();
  }
}

void Object::range(std::string_view name, DelayRange& out) const {
  if (const auto* found = find(name)) {
    out = read_range(*found, path_of(name), problem_);
  }
}

std::vector<std::pair<std::string, const Json*>> Object::list(std::string_view name) const {
  std::vector<std::pair<std::string, const Json*>> out;
  if (const auto* found = typed(name, Json::value_t::array, "a list")) {
    for (std::size_t i = 0; i < found->size(); ++i) {
      out.emplace_back(fmt::format("{}[{}]", path_of(name), i), &(*found)[i]);
    }
  }
  return out;
}

std::vector<std::pair<std::string, const Json*>> Object::entries(std::string_view name) const {
  std::vector<std::pair<std::string, const Json*>> out;
  if (const auto* found = typed(name, Json::value_t::object, "an object")) {
    for (const auto& item : found->items()) {
      out.emplace_back(item.key(), &item.value());
    }
  }
  return out;
}

}  // namespace kvorum::lab
