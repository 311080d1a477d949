#include "wire/resp_writer.h"

#include <charconv>

namespace kvorum::wire {
namespace {

constexpr std::size_t kMaxNumberText = 24;  // type, sign, 19 digits, CR LF

}  // namespace

// A text of several lines would forge replies, so line ends in it become blanks.
void RespWriter::line(char type, ByteView text) {
  out_.push_back(type);
  const auto start = out_.size();
  out_.append(text);
  if (text.find_first_of(ByteView("\r\n", 2)) != ByteView::npos) {
    for (auto i = start; i < out_.size(); ++i) {
      out_[i] = out_[i] == '\r' || out_[i] == '\n' ? ' ' : out_[i];
    }
  }
  out_.append("\r\n", 2);
}

void RespWriter::number(char type, std::int64_t value) {
  char text[kMaxNumberText];
  text[0] = type;
  char* end = text + 1;
  if (value >= 0 && value <= 9) {
    *end++ = static_cast<char>('0' + value);
  } else {
    end = std::to_chars(end, text + sizeof text - 2, value).ptr;
  }
  *end++ = '\r';
  *end++ = '\n';
  out_.append(text, static_cast<std::size_t>(end - text));
}

void RespWriter::status(ByteView text) {
  if (text == "OK") {
    out_.append("+OK\r\n", 5);
  } else {
    line('+', text);
  }
  count(0);
}

void RespWriter::integer(std::int64_t value) {
  number(':', value);
  count(0);
}

void RespWriter::bulk(ByteView bytes) {
  number('$', static_cast<std::int64_t>(bytes.size()));
  out_.append(bytes);
  out_.append("\r\n", 2);
  count(0);
}

void RespWriter::nil() {
  out_.append(resp3_ ? ByteView("_\r\n") : ByteView("$-1\r\n"));
  count(0);
}

void RespWriter::error(const Error& error) {
  line('-', to_string(error));
  count(0);
}

void RespWriter::array(std::size_t elements) {
  number('*', static_cast<std::int64_t>(elements));
  count(elements);
}

void RespWriter::map(std::size_t pairs) {
  number(resp3_ ? '%' : '*', static_cast<std::int64_t>(resp3_ ? pairs : 2 * pairs));
  count(2 * pairs);
}

}  // namespace kvorum::wire
