// Jepsen's histories as JSON.
#include <fmt/format.h>
#include <simdjson.h>

#include "check/load_jepsen.h"

namespace kvorum::check {
namespace {

namespace dom = simdjson::dom;
using dom::element_type;

template <class Number>
Form number(Number value) {
  Form form;
  form.kind = Form::Kind::kNumber;
  form.text = fmt::to_string(value);
  return form;
}

Form word(Form::Kind kind, std::string_view text) {
  Form form;
  form.kind = kind;
  form.text = text;
  return form;
}

Form form_of(const dom::element& element, std::uint32_t line) {
  Form out;
  switch (element.type()) {
    case element_type::ARRAY:
      out.kind = Form::Kind::kList;
      for (const auto item : dom::array(element)) {
        out.items.push_back(form_of(item, line));
      }
      break;
    case element_type::OBJECT:
      out.kind = Form::Kind::kMap;
      for (const auto [key, value] : dom::object(element)) {
        out.items.push_back(word(Form::Kind::kString, key));
        out.items.push_back(form_of(value, line));
      }
      break;
    case element_type::STRING:
      out = word(Form::Kind::kString, element.get_string().value_unsafe());
      break;
    case element_type::INT64:
      out = number(element.get_int64().value_unsafe());
      break;
    case element_type::UINT64:
      out = number(element.get_uint64().value_unsafe());
      break;
    case element_type::DOUBLE:
      out = number(element.get_double().value_unsafe());
      break;
    case element_type::BOOL:
      out = word(Form::Kind::kBool, element.get_bool().value_unsafe() ? "true" : "false");
      break;
    case element_type::NULL_VALUE:
      break;
  }
  out.line = line;
  return out;
}

}  // namespace

bool is_jepsen_json(const Source& source) {
  JsonItems items(source);
  const auto item = items.next();
  dom::parser parser;
  dom::element root;
  dom::element ignored;
  if (!item || !*item ||
      parser.parse((*item)->text.data(), (*item)->text.size(), false).get(root)) {
    return false;
  }
  const bool ours = !root["client"].get(ignored) || !root["initial"].get(ignored);
  return !ours && (!root["process"].get(ignored) || !root["type"].get(ignored));
}

Result<void> read_jepsen_json(const Source& source, const std::string& prefix, History& history) {
  JepsenEvents events(source, prefix, history);
  JsonItems items(source);
  dom::parser parser;
  while (true) {
    const auto item = items.next();
    if (!item) {
      return tl::unexpected(item.error());
    }
    if (!*item) {
      return events.finish();
    }
    const auto [text, line] = **item;
    dom::element root;
    if (const auto error = parser.parse(text.data(), text.size(), false).get(root)) {
      return source.error(line, "not JSON: {}", simdjson::error_message(error));
    }
    if (const auto added = events.add_map(form_of(root, line)); !added) {
      return added;
    }
  }
}

}  // namespace kvorum::check
