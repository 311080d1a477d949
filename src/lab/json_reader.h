// Reading a JSON file by the rules of its format: known fields, their types and limits, and the
// first thing that is wrong as one line that begins with its path.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "lab/nearest.h"
#include "lab/scenario.h"

namespace kvorum::lab {

using Json = nlohmann::ordered_json;

// Errors name line and column, or the path of a field that is there twice.
Result<Json> parse_json(const std::string& text);

// A word of the file, cut short and in quotes, for a message.
std::string in_quotes(std::string_view word);

// The first thing that is wrong with a file. An empty path is the file as a whole.
class Problem {
 public:
  template <class... Args>
  void add(std::string_view path, fmt::format_string<Args...> text, Args&&... args) {
    if (text_.empty()) {
      set(path, fmt::format(text, std::forward<Args>(args)...));
    }
  }
  // "'gett' is no request; did you mean 'get'?"
  void add_unknown(std::string_view path, std::string_view word, std::string_view what,
                   Words words);

  bool found() const { return !text_.empty(); }
  tl::unexpected<Error> error() const { return fail(ErrorCode::kConfig, "{}", text_); }

 private:
  void set(std::string_view path, std::string_view text);

  std::string text_;
};

// Milliseconds that are not whole are fine; up to a day.
inline constexpr std::int64_t kMostMs = 86'400'000;
// "ms": 5 or "ms": [0, 10].
DelayRange read_range(const Json& json, const std::string& path, Problem& problem);
// A text as it is, a whole number as its digits; anything else is a problem.
std::string read_value(const Json& json, const std::string& path, Problem& problem);

// One object of the file. Complains of fields that are not among its words; afterwards each is
// asked for by its own name, whichever word the file has for it. A field that is null counts as
// left out.
class Object {
 public:
  Object(const Json& json, std::string path, Words words, Problem& problem);

  const Json* find(std::string_view name) const;
  // Also a null.
  bool names(std::string_view name) const { return field(name) != nullptr; }
  // Complains if it is missing.
  const Json* require(std::string_view name) const;
  const std::string& path() const { return path_; }
  // In the word of the file.
  std::string path_of(std::string_view name) const;
  Problem& problem() const { return problem_; }

  template <class Number>
  void number(std::string_view name, std::int64_t least, std::int64_t most, Number& out) const {
    if (const auto value = whole(name, least, most)) {
      out = static_cast<Number>(*value);
    }
  }
  void flag(std::string_view name, bool& out) const;
  template <class Text>
  void text(std::string_view name, Text& out) const {
    if (const auto* value = typed(name, Json::value_t::string, "a text")) {
      out = value->get_ref<const std::string&>();
    }
  }
  void range(std::string_view name, DelayRange& out) const;
  // The items with their paths; none if it is missing or no list.
  std::vector<std::pair<std::string, const Json*>> list(std::string_view name) const;
  // The fields of an object whose names are the user's own.
  std::vector<std::pair<std::string, const Json*>> entries(std::string_view name) const;

 private:
  struct Field {
    std::string_view name;
    std::string_view word;
    const Json* value;
  };

  const Field* field(std::string_view name) const;
  const Json* typed(std::string_view name, Json::value_t type, std::string_view what) const;
  std::optional<std::int64_t> whole(std::string_view name, std::int64_t least,
                                    std::int64_t most) const;

  std::string path_;
  std::vector<Field> fields_;
  Problem& problem_;
};

}  // namespace kvorum::lab
