// The SQL functions that make and steer migrations: unpack, call, pack.
#include "pg/arguments.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "run/control.hpp"
#include "run/launch.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

using zdm::pg::flag_argument;
using zdm::pg::maybe_text;
using zdm::pg::text_argument;

namespace {

std::map<std::string, std::string> read_options(const std::string& json) {
    const zdm::pg::PinnedPath pinned;
    if (zdm::pg::query("SELECT jsonb_typeof($1::jsonb)", {json}).front().text(0) != "object")
        throw zdm::pg::Error{zdm::pg::state::kInvalidParameter, "ZD601: options must be an object",
                             "They are: " + json, "Write them like this: '{\"max_rate\": 1000}'."};
    std::map<std::string, std::string> options;
    for (const auto& row :
         zdm::pg::query("SELECT o.key, o.value FROM jsonb_each_text($1::jsonb) o", {json}).rows)
        options[row.text(0)] = row.text(1);
    return options;
}

}  // namespace

ZDM_FUNCTION(zdm_create) {
    const auto id =
        zdm::run::create(text_argument(fcinfo, 0, "name"), text_argument(fcinfo, 1, "sql"));
    return zdm::run::launch_stopped(), Int64GetDatum(id);
}

ZDM_FUNCTION(zdm_start) {
    zdm::run::start(text_argument(fcinfo, 0, "name"), text_argument(fcinfo, 1, "upto"));
    return zdm::run::launch_stopped(), Datum{0};
}

ZDM_FUNCTION(zdm_contract) {
    zdm::run::contract(text_argument(fcinfo, 0, "name"), flag_argument(fcinfo, 1, false),
                       maybe_text(fcinfo, 2));
    return zdm::run::launch_stopped(), Datum{0};
}

ZDM_FUNCTION(zdm_rollback) {
    const std::string clean_up =
        zdm::run::rollback(text_argument(fcinfo, 0, "name"), flag_argument(fcinfo, 1, false));
    return zdm::run::launch_stopped(), zdm::pg::text_result(clean_up);
}

ZDM_FUNCTION(zdm_pause) {
    zdm::run::pause(text_argument(fcinfo, 0, "name"), maybe_text(fcinfo, 1));
    return Datum{0};
}

ZDM_FUNCTION(zdm_resume) {
    zdm::run::resume(text_argument(fcinfo, 0, "name"));
    return zdm::run::launch_stopped(), Datum{0};
}

ZDM_FUNCTION(zdm_set) {
    zdm::run::set_option(text_argument(fcinfo, 0, "name"), text_argument(fcinfo, 1, "option"),
                         maybe_text(fcinfo, 2));
    return zdm::run::launch_stopped(), Datum{0};
}

ZDM_FUNCTION(zdm_ping) { return BoolGetDatum(zdm::run::ping(text_argument(fcinfo, 0, "name"))); }

ZDM_FUNCTION(zdm_backfill) {
    if (fcinfo->args[0].isnull)
        throw zdm::pg::Error{zdm::pg::state::kInvalidParameter,
                             "ZD601: target must not be null",
                             {},
                             "Give target a value."};
    std::map<std::string, std::string> options;
    if (!fcinfo->args[4].isnull) {
        const Datum json = fcinfo->args[4].value;
        const char* json_text =
            zdm::pg::call([&] { return DatumGetCString(DirectFunctionCall1(jsonb_out, json)); });
        options = read_options(json_text);
    }
    return Int64GetDatum(zdm::run::backfill_table(
        DatumGetObjectId(fcinfo->args[0].value), text_argument(fcinfo, 1, "set_clause"),
        maybe_text(fcinfo, 2), maybe_text(fcinfo, 3), options));
}
