#include "pg/door.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "utils/fmgroids.h"
}

namespace zdm::pg {

namespace {

Oid extension_owner() {
    return call([]() -> Oid {
        const Oid extension = get_extension_oid("zdm", false);
        Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
        ScanKeyData key;
        ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
                    ObjectIdGetDatum(extension));
        SysScanDesc scan = systable_beginscan(catalog, ExtensionOidIndexId, true, nullptr, 1, &key);
        HeapTuple tuple = systable_getnext(scan);
        if (!HeapTupleIsValid(tuple)) elog(ERROR, "extension zdm is gone");
        const Oid owner = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner;
        systable_endscan(scan);
        table_close(catalog, AccessShareLock);
        return owner;
    });
}

int pin_search_path() {
    return call([] {
        const int level = NewGUCNestLevel();
        set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
        return level;
    });
}

}  // namespace

Oid extension_oid() {
    return call([] { return get_extension_oid("zdm", true); });
}

Door::Door() {
    const Oid owner = extension_owner();
    GetUserIdAndSecContext(&user_, &context_);
    SetUserIdAndSecContext(owner, context_ | SECURITY_LOCAL_USERID_CHANGE);
    nest_level_ = pin_search_path();
}

Door::~Door() {
    AtEOXact_GUC(false, nest_level_);
    SetUserIdAndSecContext(user_, context_);
}

AsUser::AsUser(Oid user, int flags) {
    GetUserIdAndSecContext(&user_, &context_);
    SetUserIdAndSecContext(user, context_ | flags);
}

AsUser::~AsUser() { SetUserIdAndSecContext(user_, context_); }

PinnedMeaning::PinnedMeaning(const std::string& search_path)
    : nest_level_(call([] { return NewGUCNestLevel(); })) {
    const char* const settings[][2] = {{"search_path", search_path.c_str()},
                                       {"standard_conforming_strings", "on"},
                                       {"transform_null_equals", "off"},
                                       {"array_nulls", "on"},
                                       {"DateStyle", "ISO, MDY"},
                                       {"IntervalStyle", "postgres"},
                                       {"TimeZone", "UTC"}};
    try {
        call([&] {
            for (const auto& setting : settings)
                set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION,
                                  GUC_ACTION_SAVE, true, 0, false);
        });
    } catch (const Error&) {
        AtEOXact_GUC(false, nest_level_);
        throw;
    }
}

PinnedMeaning::~PinnedMeaning() { AtEOXact_GUC(false, nest_level_); }

PinnedPath::PinnedPath() : nest_level_(pin_search_path()) {}

PinnedPath::~PinnedPath() { AtEOXact_GUC(false, nest_level_); }

}  // namespace zdm::pg
