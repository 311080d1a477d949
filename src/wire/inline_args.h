// Words of an inline request, or of a line typed at a prompt, quoted as in Redis: "a\n\x00" with
// escapes, 'a\'b' without.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace kvorum::wire {

// False: a quote is not closed, or something other than a blank follows the closing one. `args`
// borrow `text`, which is overwritten.
bool split_inline(ByteView line, std::vector<ByteView>& args, Bytes& text);

// Whether a request's first word shows a web browser at work: a page can make one send a request
// with lines that Redis would obey (cross-protocol scripting), so such a connection is closed.
bool is_http(ByteView word);

}  // namespace kvorum::wire
