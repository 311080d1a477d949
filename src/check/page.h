// What self-contained HTML pages about a history are made of. Their style and script are page.css
// and page.js.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

// A history and its verdict as data for page.js. Of a history with more than `most` operations it
// holds those nearest to the verdict's core. History and verdict must outlive it.
class PageData {
 public:
  PageData(const History& history, const Verdict& verdict, std::size_t most);

  // Those on the page, in the history's order; they are named by their places there.
  const std::vector<std::uint32_t>& operations() const { return operations_; }
  std::optional<std::size_t> place(std::uint32_t operation) const;
  std::int64_t base_ns() const { return base_; }  // what the page's times count from

  // Appends the members of a JSON object, without its braces.
  void append(std::string& out) const;

 private:
  const History& history_;
  const Verdict& verdict_;
  std::vector<std::uint32_t> core_;
  std::vector<std::uint32_t> operations_;
  std::unordered_map<std::uint32_t, std::size_t> place_;
  std::int64_t base_ = 0;
};

// Appends `"name":"text",`.
void append_member(std::string_view name, std::string_view text, std::string& out);

// The page with its data in the place of `@DATA@`; nothing in the data can end the script element
// that it stands in.
std::string filled(std::string_view page, std::string_view json);

}  // namespace kvorum::check
