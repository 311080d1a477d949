// What the shell knows about commands: their help, how a half-typed line may go on, and which may
// be sent again.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace kvorum::app {

// Whether sending it twice does no harm: a read, or a question about the server. For KV.AT and
// KV.RECEIPT what they wrap counts. An unknown command is none.
bool is_repeatable(std::span<const ByteView> args);

// Whether it carries a request id of its own (KV.ONCE).
bool is_numbered(std::span<const ByteView> args);

// Whether it writes keys and may go under a request id. For KV.AT and KV.RECEIPT what they wrap
// counts.
bool is_key_write(std::span<const ByteView> args);

// The same request under a request id (KV.ONCE), its wrappers in front. Borrows all of it.
std::vector<ByteView> numbered(std::span<const ByteView> args, ByteView id, ByteView seq);

// Whether its answer is text in lines, made to be looked at.
bool answers_text(std::span<const ByteView> args);

// Words that could stand where the line ends, in the case that was typed.
std::vector<std::string> complete(ByteView line);

// `help`: all commands by group, the shell's words first. `help NAME`: that command. `help GROUP`:
// the group's commands.
std::string help(ByteView topic);

}  // namespace kvorum::app
