// Every word that a scenario's file may hold. scenario.schema.json says the same for editors; a
// test keeps the two in step.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "lab/nearest.h"
#include "lab/scenario.h"

namespace kvorum::lab {

// A type of request: the operation that it is, and the fields that it takes beside its type.
struct RequestShape {
  std::string_view type;
  std::optional<HistoryOp> op;
  std::array<std::string_view, 4> fields;
};

// Null: there is no such type. Takes the type's own name, not an older one.
const RequestShape* find_request(std::string_view type);

// The fields of one kind of object, or the values of a field; by its name among the schema's
// $defs.
struct WordList {
  std::string_view name;
  Words words;
};
std::span<const WordList> field_lists();
std::span<const WordList> value_lists();

Words words_of(std::string_view list);

// Of the first word of what a fault does; empty: there is no such fault.
std::optional<FaultVerb> find_verb(std::string_view word);

}  // namespace kvorum::lab
