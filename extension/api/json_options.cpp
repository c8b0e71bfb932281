#include "api/json_options.hpp"

#include "pg/door.hpp"
#include "pg/spi.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace zdm::api {

namespace {

std::map<std::string, std::string> read_options(const std::string& json) {
    const pg::PinnedPath pinned;
    if (pg::query("SELECT jsonb_typeof($1::jsonb)", {json}).front().text(0) != "object")
        throw pg::Error{pg::state::kInvalidParameter, "ZD601: options must be an object",
                        "They are: " + json, "Write them like this: '{\"max_rate\": 1000}'."};
    std::map<std::string, std::string> options;
    for (const auto& row :
         pg::query("SELECT o.key, o.value FROM jsonb_each_text($1::jsonb) o", {json}).rows)
        options[row.text(0)] = row.text(1);
    return options;
}

}  // namespace

std::uint32_t table_argument(FunctionCallInfo fcinfo, int i) {
    if (fcinfo->args[i].isnull)
        throw pg::Error{pg::state::kInvalidParameter,
                        "ZD601: target must not be null",
                        {},
                        "Give target a value."};
    return DatumGetObjectId(fcinfo->args[i].value);
}

std::map<std::string, std::string> options_argument(FunctionCallInfo fcinfo, int i) {
    if (fcinfo->args[i].isnull) return {};
    const Datum json = fcinfo->args[i].value;
    const char* json_text =
        pg::call([&] { return DatumGetCString(DirectFunctionCall1(jsonb_out, json)); });
    return read_options(json_text);
}

}  // namespace zdm::api
