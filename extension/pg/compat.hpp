// All that differs between PostgreSQL 15 and 18, and nothing else.
#pragma once

#include "pg/postgres.hpp"

extern "C" {
#include "parser/parser.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/wait_event.h"
}

#if PG_VERSION_NUM < 150000
#error "zdm needs PostgreSQL 15 or later"
#endif

namespace zdm::pg::compat {

// Runs a portal to its end as a top-level statement.
inline void run_portal(Portal portal, DestReceiver* dest, QueryCompletion* completion) {
#if PG_VERSION_NUM >= 180000
    PortalRun(portal, FETCH_ALL, true, dest, dest, completion);
#else
    PortalRun(portal, FETCH_ALL, true, true, dest, dest, completion);
#endif
}

// Whether role owns the relation (superusers and members of the owner included).
inline bool owns_relation(Oid relation, Oid role) {
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, relation, role);
#else
    return pg_class_ownercheck(relation, role);
#endif
}

// Whether a worker may connect as a role that has no LOGIN, and the flag with which it does.
#if PG_VERSION_NUM >= 170000
inline constexpr bool kCanBypassRoleLogin = true;
inline constexpr uint32 kBypassRoleLogin = BGWORKER_BYPASS_ROLELOGINCHECK;
#else
inline constexpr bool kCanBypassRoleLogin = false;
inline constexpr uint32 kBypassRoleLogin = 0;
#endif

// The wait event that a sleeping worker shows in pg_stat_activity.
inline uint32 wait_event() {
#if PG_VERSION_NUM >= 170000
    static uint32 event = 0;
    if (event == 0) event = WaitEventExtensionNew("Zdm");
    return event;
#else
    return PG_WAIT_EXTENSION;
#endif
}

// Settings that a worker must reset beside those that all versions have.
inline constexpr bool kHasTransactionTimeout = PG_VERSION_NUM >= 170000;

}  // namespace zdm::pg::compat
