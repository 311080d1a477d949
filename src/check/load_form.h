// A value as EDN and JSON write it, and the reader of EDN (github.com/edn-format/edn). Private to
// load*.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "check/load_parts.h"

namespace kvorum::check {

struct Form {
  enum class Kind : std::uint8_t { kNil, kBool, kNumber, kString, kKeyword, kSymbol, kList, kMap };

  Kind kind = Kind::kNil;
  std::uint32_t line = 0;
  std::string text;         // of a scalar; a keyword's without its colon
  std::vector<Form> items;  // of a list, vector or set; of a map: key, value, key, value, ...

  bool is_nil() const { return kind == Kind::kNil; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_pair() const { return is_list() && items.size() == 2; }
  // A string, keyword or symbol with this text.
  bool is_word(std::string_view word) const;
  // The value of a map under this keyword or string; null: there is none.
  const Form* find(std::string_view key) const;
};

// The form as EDN, without line ends.
void append_edn(const Form& form, std::string& out);

// Reads form by form. Tags are dropped: the tagged value stays. After an error it reads no more.
class EdnReader {
 public:
  explicit EdnReader(const Source& source, std::uint32_t line = 1)
      : source_(source), rest_(source.text), line_(line) {}

  // The next form; empty at the end of the text or of the collection entered.
  Result<std::optional<Form>> next();
  // Goes into a collection, if one begins here that holds collections: the events of a history.
  void enter();
  std::uint32_t line() const { return line_; }

 private:
  using Answer = Result<std::optional<Form>>;

  // Passes blanks, comments and discarded forms.
  Result<void> skip(int depth);
  Answer read(int depth);
  Answer read_closed(char close, Form::Kind kind, int depth);
  Answer read_dispatch(int depth);
  Answer read_string();
  Form read_atom();
  std::string_view take_atom();

  const Source& source_;
  std::string_view rest_;
  std::uint32_t line_;
  char entered_ = '\0';  // the bracket that ends the history
};

}  // namespace kvorum::check
