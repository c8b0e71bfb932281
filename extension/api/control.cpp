// The SQL functions that make and steer migrations: unpack, call, pack.
#include "api/json_options.hpp"
#include "pg/arguments.hpp"
#include "run/control.hpp"
#include "run/launch.hpp"

#include "pg/bridge.hpp"

using zdm::pg::flag_argument;
using zdm::pg::maybe_text;
using zdm::pg::text_argument;

ZDM_FUNCTION(zdm_create) {
    const auto id =
        zdm::run::create(text_argument(fcinfo, 0, "name"), text_argument(fcinfo, 1, "sql"));
    return zdm::run::launch_stopped(), Int64GetDatum(id);
}

ZDM_FUNCTION(zdm_start) {
    zdm::run::start(text_argument(fcinfo, 0, "name"), text_argument(fcinfo, 1, "upto"));
    return zdm::run::launch_stopped(), Datum{0};
}

ZDM_FUNCTION(zdm_switch) {
    zdm::run::switch_over(text_argument(fcinfo, 0, "name"));
    return zdm::run::launch_stopped(), Datum{0};
}

ZDM_FUNCTION(zdm_contract) {
    zdm::run::contract(text_argument(fcinfo, 0, "name"), flag_argument(fcinfo, 1, false),
                       maybe_text(fcinfo, 2), flag_argument(fcinfo, 3, false));
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
    const auto table = zdm::api::table_argument(fcinfo, 0);
    const auto options = zdm::api::options_argument(fcinfo, 4);
    return Int64GetDatum(zdm::run::backfill_table(table, text_argument(fcinfo, 1, "set_clause"),
                                                  maybe_text(fcinfo, 2), maybe_text(fcinfo, 3),
                                                  options));
}
