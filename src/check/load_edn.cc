#include <fmt/format.h>

#include <tuple>

#include "base/parse.h"
#include "check/load_jepsen.h"

namespace kvorum::check {
namespace {

constexpr int kDepth = 64;  // of collections in each other
constexpr std::string_view kBlanks = " \t\r\n,\f\v";

bool ends_atom(char c) {
  return std::string_view(" \t\r\n,\f\v()[]{}\";").find(c) != std::string::npos;
}

bool is_number(std::string_view atom) {
  const auto digits = atom.substr(atom.starts_with('-') || atom.starts_with('+') ? 1 : 0);
  return !digits.empty() && digits.front() >= '0' && digits.front() <= '9';
}

void append_utf8(std::uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

}  // namespace

bool Form::is_word(std::string_view word) const {
  return (kind == Kind::kString || kind == Kind::kKeyword || kind == Kind::kSymbol) && text == word;
}

const Form* Form::find(std::string_view key) const {
  for (std::size_t i = 0; kind == Kind::kMap && i + 1 < items.size(); i += 2) {
    if (items[i].is_word(key)) {
      return &items[i + 1];
    }
  }
  return nullptr;
}

void append_edn(const Form& form, std::string& out) {
  switch (form.kind) {
    case Form::Kind::kNil:
      out += "nil";
      return;
    case Form::Kind::kKeyword:
      out += ':';
      [[fallthrough]];
    case Form::Kind::kBool:
    case Form::Kind::kNumber:
    case Form::Kind::kSymbol:
      out += form.text;
      return;
    case Form::Kind::kString:
      out += '"';
      for (const char c : form.text) {
        out += c == '"' || c == '\\' ? "\\" : "";
        out += c == '\n' ? ' ' : c;
      }
      out += '"';
      return;
    case Form::Kind::kList:
    case Form::Kind::kMap:
      out += form.is_list() ? '[' : '{';
      for (std::size_t i = 0; i < form.items.size(); ++i) {
        out += i == 0 ? "" : " ";
        append_edn(form.items[i], out);
      }
      out += form.is_list() ? ']' : '}';
      return;
  }
}

Result<std::optional<Form>> EdnReader::next() {
  if (auto skipped = skip(0); !skipped) {
    return tl::unexpected(skipped.error());
  }
  if (rest_.empty()) {
    if (entered_ != '\0') {
      return source_.error(line_, "'{}' is missing at the end", entered_);
    }
    return std::nullopt;
  }
  if (entered_ != '\0' && rest_.front() == entered_) {
    rest_.remove_prefix(1);
    entered_ = '\0';
    if (auto skipped = skip(0); !skipped) {
      return tl::unexpected(skipped.error());
    }
    if (!rest_.empty()) {
      return source_.error(line_, "something follows the history");
    }
    return std::nullopt;
  }
  return read(0);
}

void EdnReader::enter() {
  const auto saved = std::pair(rest_, line_);
  if (skip(0) && (rest_.starts_with('[') || rest_.starts_with('('))) {
    const char close = rest_.front() == '[' ? ']' : ')';
    rest_.remove_prefix(1);
    if (skip(0) && !rest_.empty() &&
        std::string_view("[({#])").find(rest_.front()) != std::string::npos) {
      entered_ = close;
      return;
    }
  }
  std::tie(rest_, line_) = saved;
}

Result<void> EdnReader::skip(int depth) {
  while (!rest_.empty()) {
    if (kBlanks.find(rest_.front()) != std::string_view::npos) {
      line_ += rest_.front() == '\n' ? 1 : 0;
      rest_.remove_prefix(1);
    } else if (rest_.front() == ';') {
      const auto end = rest_.find('\n');
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
    } else if (rest_.starts_with("#_")) {
      rest_.remove_prefix(2);
      const auto dropped = read(depth + 1);
      if (!dropped) {
        return tl::unexpected(dropped.error());
      }
      if (!*dropped) {
        return source_.error(line_, "nothing follows '#_'");
      }
    } else {
      break;
    }
  }
  return {};
}

// The form at hand; empty where the text ends or a bracket closes.
EdnReader::Answer EdnReader::read(int depth) {
  if (depth > kDepth) {
    return source_.error(line_, "more than {} collections in each other", kDepth);
  }
  if (auto skipped = skip(depth); !skipped) {
    return tl::unexpected(skipped.error());
  }
  if (rest_.empty()) {
    return std::nullopt;
  }
  const char first = rest_.front();
  switch (first) {
    case '(':
      return read_closed(')', Form::Kind::kList, depth);
    case '[':
      return read_closed(']', Form::Kind::kList, depth);
    case '{':
      return read_closed('}', Form::Kind::kMap, depth);
    case ')':
    case ']':
    case '}':
      if (depth == 0) {
        return source_.error(line_, "'{}' closes nothing", first);
      }
      return std::nullopt;
    case '"':
      return read_string();
    case '#':
      return read_dispatch(depth);
    case '^':
    case '\'':
    case '`':
    case '@':
    case '~':
      return source_.error(line_, "'{}' is not EDN", first);
    default:
      return read_atom();
  }
}

EdnReader::Answer EdnReader::read_closed(char close, Form::Kind kind, int depth) {
  Form form;
  form.kind = kind;
  form.line = line_;
  rest_.remove_prefix(1);
  while (true) {
    auto item = read(depth + 1);
    if (!item) {
      return item;
    }
    if (*item) {
      form.items.push_back(std::move(**item));
    } else if (rest_.starts_with(close)) {
      rest_.remove_prefix(1);
      break;
    } else {
      return source_.error(form.line, "'{}' is missing for what begins here", close);
    }
  }
  if (kind == Form::Kind::kMap && form.items.size() % 2 != 0) {
    return source_.error(form.line, "a map with a key without a value");
  }
  return form;
}

// What begins with '#': a set, a regular expression, a tagged value.
EdnReader::Answer EdnReader::read_dispatch(int depth) {
  rest_.remove_prefix(1);
  if (rest_.starts_with('{')) {
    return read_closed('}', Form::Kind::kList, depth);
  }
  if (rest_.starts_with('"')) {
    return read_string();
  }
  take_atom();  // the tag
  auto form = read(depth + 1);
  if (form && !*form) {
    return source_.error(line_, "nothing follows a tag");
  }
  return form;
}

EdnReader::Answer EdnReader::read_string() {
  Form form;
  form.kind = Form::Kind::kString;
  form.line = line_;
  for (std::size_t i = 1; i < rest_.size(); ++i) {
    const char c = rest_[i];
    line_ += c == '\n' ? 1 : 0;
    if (c == '"') {
      rest_.remove_prefix(i + 1);
      return form;
    }
    if (c != '\\') {
      form.text += c;
      continue;
    }
    if (++i >= rest_.size()) {
      break;
    }
    constexpr std::string_view kShort = "ntrfb\"\\";
    constexpr std::string_view kMeant = "\n\t\r\f\b\"\\";
    if (const auto at = kShort.find(rest_[i]); at != std::string_view::npos) {
      form.text += kMeant[at];
    } else if (rest_[i] == 'u') {
      const auto code = parse_number<std::uint16_t>(rest_.substr(i + 1, 4), 16);
      if (!code || rest_.size() < i + 5) {
        return source_.error(line_, "a string with a bad \\u");
      }
      append_utf8(*code, form.text);
      i += 4;
    } else {
      return source_.error(line_, "a string with an unknown escape");
    }
  }
  return source_.error(form.line, "a string without an end");
}

std::string_view EdnReader::take_atom() {
  std::size_t length = 0;
  while (length < rest_.size() && !ends_atom(rest_[length])) {
    ++length;
  }
  const auto atom = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return atom;
}

Form EdnReader::read_atom() {
  Form form;
  form.line = line_;
  if (rest_.front() == '\\' && rest_.size() > 1) {  // a character, which may be a bracket
    form.kind = Form::Kind::kString;
    form.text = rest_[1];
    rest_.remove_prefix(2);
    form.text += take_atom();
    return form;
  }
  auto atom = take_atom();
  if (atom == "nil") {
    return form;
  }
  if (atom == "true" || atom == "false") {
    form.kind = Form::Kind::kBool;
  } else if (atom.starts_with(':')) {
    form.kind = Form::Kind::kKeyword;
    atom.remove_prefix(1);
  } else if (is_number(atom)) {
    form.kind = Form::Kind::kNumber;
    atom.remove_prefix(atom.starts_with('+') ? 1 : 0);
    atom.remove_suffix(atom.ends_with('N') || atom.ends_with('M') ? 1 : 0);
  } else {
    form.kind = Form::Kind::kSymbol;
  }
  form.text = atom;
  return form;
}

Result<void> read_edn(const Source& source, const std::string& prefix, History& history) {
  JepsenEvents events(source, prefix, history);
  EdnReader reader(source);
  reader.enter();
  while (true) {
    const auto form = reader.next();
    if (!form) {
      return tl::unexpected(form.error());
    }
    if (!*form) {
      return events.finish();
    }
    const auto added = (*form)->is_list() ? events.add_list(**form) : events.add_map(**form);
    if (!added) {
      return added;
    }
  }
}

Result<void> read_jepsen_log(const Source& source, const std::string& prefix, History& history) {
  constexpr std::string_view kMark = "jepsen.util - ";
  JepsenEvents events(source, prefix, history);
  auto rest = source.text;
  for (std::uint32_t number = 1; !rest.empty(); ++number) {
    const auto line = take_line(rest);
    const auto at = line.find(kMark);
    if (at == std::string_view::npos) {
      continue;
    }
    Form event;
    event.kind = Form::Kind::kList;
    event.line = number;
    const Source part{line.substr(at + kMark.size()), source.name};
    EdnReader reader(part, number);
    for (auto form = reader.next(); form && *form && event.items.size() < 4; form = reader.next()) {
      event.items.push_back(std::move(**form));
    }
    if (event.items.size() < 3 || event.items[0].kind != Form::Kind::kNumber ||
        event.items[1].kind != Form::Kind::kKeyword) {
      continue;  // some other message
    }
    if (const auto added = events.add_list(event); !added) {
      return added;
    }
  }
  return events.finish();
}

}  // namespace kvorum::check
