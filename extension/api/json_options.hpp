// Arguments that zdm_backfill and zdm_estimate share.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "pg/arguments.hpp"

namespace zdm::api {

// Argument i, a regclass; ZD601 when it is null.
std::uint32_t table_argument(FunctionCallInfo fcinfo, int i);
// Argument i, a jsonb object of options, as text by name; null: none.
std::map<std::string, std::string> options_argument(FunctionCallInfo fcinfo, int i);

}  // namespace zdm::api
