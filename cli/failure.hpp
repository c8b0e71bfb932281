// The one exception of the command line: what to say and with which code to end.
#pragma once

#include <stdexcept>
#include <string>

#include "cli/exit_codes.hpp"

namespace zdm::cli {

// A place in a migration's file, 1-based; column 0 when only the line is known.
struct Spot {
    int line = 0;
    int column = 0;
};

struct Failure : std::runtime_error {
    Failure(Exit how, std::string error_code, const std::string& message,
            std::string detail_text = {}, std::string hint_text = {})
        : std::runtime_error(message),
          exit(how),
          code(std::move(error_code)),
          detail(std::move(detail_text)),
          hint(std::move(hint_text)) {}

    Exit exit;
    std::string code;  // "ZD302", empty for errors of the server itself
    std::string detail;
    std::string hint;
    std::string sqlstate;
    Spot spot;
};

// The server went away in the middle. Whoever can try again catches it, for all others it is a
// failure.
struct ConnectionLost : Failure {
    explicit ConnectionLost(const std::string& why)
        : Failure(Exit::no_connection, "ZD802", "the connection to the server was lost", why,
                  "Whatever the server had begun goes on there; zdm status shows it.") {}
};

}  // namespace zdm::cli
