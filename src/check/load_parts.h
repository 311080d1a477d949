// What the readers of the single file formats share. Private to load*.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "check/history.h"

namespace kvorum::check {

// Bytes that may be read beyond a text's end: the JSON parser looks at whole blocks.
inline constexpr std::size_t kPadding = 64;
// Lines are counted in 32 bits, so a file has to stay below that.
inline constexpr std::size_t kMaxBytes = (std::size_t{1} << 32) - 1 - kPadding;
// Times stay so far from the ends of their type that any bound may be added.
inline constexpr std::int64_t kMaxTime = kNever / 2;

// A whole text followed by kPadding blanks.
struct PaddedText {
  std::string bytes;
  std::size_t size = 0;

  std::string_view view() const { return {bytes.data(), size}; }
};

// The file's bytes, unpacked if they are gzipped. "-" is standard input.
Result<PaddedText> read_file(const std::string& path);
Result<PaddedText> padded(std::string_view bytes, const std::string& name);

// A text and where it comes from.
struct Source {
  std::string_view text;  // kPadding readable bytes follow
  std::string name;

  template <class... Args>
  tl::unexpected<Error> error(std::uint32_t line, fmt::format_string<Args...> text_of,
                              Args&&... args) const {
    return fail(ErrorCode::kSyntax, "{}:{}: {}", name, line,
                fmt::format(text_of, std::forward<Args>(args)...));
  }
};

// Each adds the operations and initial values of one file. `prefix` stands before every client's
// name.
Result<void> read_lines(const Source& source, const std::string& prefix, History& history);
Result<void> read_jepsen_json(const Source& source, const std::string& prefix, History& history);
Result<void> read_edn(const Source& source, const std::string& prefix, History& history);
Result<void> read_jepsen_log(const Source& source, const std::string& prefix, History& history);
Result<void> read_csv(const Source& source, const std::string& prefix, History& history);

// Whether JSON holds Jepsen's events, by its first object.
bool is_jepsen_json(const Source& source);

// The next line without its end, taken off `rest`.
std::string_view take_line(std::string_view& rest);
std::string_view trim(std::string_view text);

// Walks over the objects of JSON Lines, or of one array that may spread over many lines.
class JsonItems {
 public:
  struct Item {
    std::string_view text;
    std::uint32_t line = 0;  // where it begins
  };

  explicit JsonItems(const Source& source) : source_(source), rest_(source.text) {}
  // Empty at the end.
  Result<std::optional<Item>> next();

 private:
  Result<std::optional<Item>> next_of_array();
  void skip_blanks();

  const Source& source_;
  std::string_view rest_;
  std::uint32_t line_ = 1;
  bool started_ = false;
  bool array_ = false;
  bool first_ = true;
};

}  // namespace kvorum::check
