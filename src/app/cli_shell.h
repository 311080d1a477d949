// The interactive shell: line editing, history, completion.
#pragma once

#include "app/cli_session.h"

namespace kvorum::app {

int run_shell(CliSession& session);

}  // namespace kvorum::app
