// Arguments and results of SQL-callable functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pg/postgres.hpp"

namespace zdm::pg {

// Argument i as text, nullopt when NULL.
std::optional<std::string> maybe_text(FunctionCallInfo fcinfo, int i);
// Argument i as text; ZD601 naming `what` when NULL.
std::string text_argument(FunctionCallInfo fcinfo, int i, const char* what);
bool flag_argument(FunctionCallInfo fcinfo, int i, bool fallback);

Datum text_result(const std::string& text);

// A notice to the caller.
void notice(const std::string& message, const std::string& hint = {});

}  // namespace zdm::pg
