// zdm_verify(name): rows in which old and new columns differ; and how many were written so.
#include "run/verify.hpp"
#include "sync/install.hpp"

#include "pg/arguments.hpp"
#include "pg/error.hpp"

#include "pg/bridge.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "catalog/pg_authid.h"
#include "storage/block.h"
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"
}

namespace {

constexpr int kColumns = 7;

Datum json_datum(const std::string& text) {
    const char* const bytes = text.c_str();
    return zdm::pg::call([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(bytes)); });
}

void put(ReturnSetInfo* result, const zdm::run::Differing& row) {
    Datum values[kColumns] = {};
    bool nulls[kColumns] = {};
    values[0] = zdm::pg::text_result(row.relation);
    values[1] = Int64GetDatum(row.differences);
    for (int i = 2; i < 6; ++i) nulls[i] = row.place.empty();
    nulls[3] = row.key.empty();
    if (!nulls[2]) values[2] = zdm::pg::text_result(row.place);
    if (!nulls[3]) values[3] = zdm::pg::text_result(row.key);
    if (!nulls[4]) values[4] = json_datum(row.olds);
    if (!nulls[5]) values[5] = json_datum(row.news);
    values[6] = Int64GetDatum(row.table_pages);
    zdm::pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
}

// A whole number in its range; nullopt for NULL.
std::optional<std::int64_t> number(FunctionCallInfo fcinfo, int i, const char* what,
                                   std::int64_t least, std::int64_t most) {
    if (PG_ARGISNULL(i)) return std::nullopt;
    const std::int64_t value = PG_GETARG_INT64(i);
    if (value < least || value > most)
        throw zdm::pg::Error{zdm::pg::state::kInvalidParameter,
                             std::string{"ZD601: "} + what + " is out of range",
                             {},
                             "From " + std::to_string(least) + " to " + std::to_string(most) + "."};
    return value;
}

// As the views have it: members of the owner's role, and of pg_monitor.
bool may_see(Oid relation) {
    return zdm::pg::call([&] {
        return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)) &&
               (zdm::pg::compat::owns_relation(relation, GetUserId()) ||
                has_privs_of_role(GetUserId(), ROLE_PG_MONITOR));
    });
}

}  // namespace

ZDM_FUNCTION(zdm_differing_writes) {
    const Oid relation = PG_GETARG_OID(0);
    const auto rows = may_see(relation) ? zdm::sync::differences(relation) : std::nullopt;
    if (rows) return Int64GetDatum(*rows);
    fcinfo->isnull = true;
    return 0;
}

ZDM_FUNCTION(zdm_verify) {
    const auto name = zdm::pg::text_argument(fcinfo, 0, "name");
    zdm::run::VerifyRange range;
    // One less than the last block, so that the page behind the range has a number too.
    constexpr std::int64_t kLast = MaxBlockNumber;
    range.examples = number(fcinfo, 1, "examples", 1, 1000).value_or(range.examples);
    if (!PG_ARGISNULL(2)) range.relation = PG_GETARG_OID(2);
    range.first_page = number(fcinfo, 3, "first_page", 0, kLast).value_or(0);
    range.pages = number(fcinfo, 4, "pages", 1, kLast);
    if (range.pages) range.pages = std::min(*range.pages, kLast - range.first_page);
    zdm::pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
    auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    const bool going_back = zdm::pg::flag_argument(fcinfo, 5, false);
    for (const auto& row : zdm::run::verify(name, range, going_back)) put(result, row);
    return 0;
}
