// Reads an error of the server back from the text that libpq makes of it: libpqxx hands over no
// fields.
#pragma once

#include <string>
#include <string_view>

#include "cli/failure.hpp"

namespace zdm::cli {

struct ServerError {
    std::string message;  // without severity, with zdm's code
    std::string detail;
    std::string hint;
    Spot spot;  // in the SQL of the migration, when zdm named a line
};

// `text` as PQresultErrorMessage gives it, default verbosity, client locale C.
ServerError parse_server_error(std::string_view text);

// "ZD302" of "ZD302: …"; empty when there is none.
std::string zd_code(std::string_view message);

// "line 4, column 12" or "line 4" anywhere in a text.
Spot find_spot(std::string_view text);

// How a command ends that the server refused.
Exit exit_for(std::string_view zd_code, std::string_view sqlstate);

// A hint of the server with its calls as commands: zdm_resume('x') becomes zdm resume x.
std::string as_commands(std::string_view hint);

// All of that together.
Failure failure_from(std::string_view text, std::string_view sqlstate);

}  // namespace zdm::cli
