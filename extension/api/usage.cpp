// zdm_usage(name): who uses what a migration has made.
#include "run/usage.hpp"

#include "pg/arguments.hpp"
#include "run/control.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace {

using zdm::run::Finding;

constexpr int kColumns = 9;

void put(ReturnSetInfo* result, const Finding& finding, std::int64_t now) {
    Datum values[kColumns] = {};
    bool nulls[kColumns] = {};
    const auto text = [&](int i, const std::string& value) {
        nulls[i] = value.empty();
        if (!nulls[i]) values[i] = zdm::pg::text_result(value);
    };
    text(0, std::string{zdm::run::to_text(finding.use)});
    text(1, finding.relation);
    text(2, finding.object);
    text(3, finding.used_by);
    text(4, finding.role);
    nulls[5] = finding.sessions == 0;
    values[5] = Int64GetDatum(finding.sessions);
    nulls[6] = !finding.last_used.has_value();
    const auto used = static_cast<pg_time_t>(finding.last_used.value_or(0));
    values[6] = TimestampTzGetDatum(time_t_to_timestamptz(used));
    values[7] = BoolGetDatum(finding.blocks);
    text(8, zdm::run::describe(finding, now));
    zdm::pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
}

}  // namespace

ZDM_FUNCTION(zdm_usage) {
    const auto migration =
        zdm::run::visible_migration(zdm::pg::text_argument(fcinfo, 0, "name"), false);
    zdm::pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
    auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    const auto now = static_cast<std::int64_t>(
        timestamptz_to_time_t(zdm::pg::call([] { return GetCurrentTimestamp(); })));
    for (const auto& finding : zdm::run::usage(migration)) put(result, finding, now);
    return 0;
}
