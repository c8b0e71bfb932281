// Refuses to drop the extension zdm while a migration is live: with CASCADE it would take the sync
// triggers away under the applications, and with them what the migration still needs. It also goes
// with its schema, and with all that its owner owns.
#include <string>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"

#include "pg/executor.hpp"

extern "C" {
#include "commands/user.h"
}

namespace zdm {

namespace {

// Where the extension is and whose it is.
struct Home {
    std::string schema;
    Oid owner;
    Oid schema_owner;
};
Home home() {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT n.nspname, e.extowner, n.nspowner FROM pg_extension e"
        " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'zdm'");
    return {found.front().text(0), static_cast<Oid>(found.front().number(1)),
            static_cast<Oid>(found.front().number(2))};
}

bool names(const List* objects, const std::string& wanted) {
    const ListCell* cell;
    foreach (cell, objects)
        if (wanted == strVal(lfirst(cell))) return true;
    return false;
}

// Whether the statement drops the extension zdm.
bool drops_zdm(const Node* statement) {
    if (statement == nullptr) return false;
    if (IsA(statement, DropOwnedStmt)) {
        const auto* const drop = reinterpret_cast<const DropOwnedStmt*>(statement);
        const Home there = home();
        const List* const roles = pg::call([&] { return roleSpecsToIds(drop->roles); });
        return list_member_oid(roles, there.owner) ||
               (drop->behavior == DROP_CASCADE && list_member_oid(roles, there.schema_owner));
    }
    if (!IsA(statement, DropStmt)) return false;
    const auto* const drop = reinterpret_cast<const DropStmt*>(statement);
    if (drop->removeType == OBJECT_EXTENSION) return names(drop->objects, "zdm");
    return drop->removeType == OBJECT_SCHEMA && drop->behavior == DROP_CASCADE &&
           names(drop->objects, home().schema);
}

// The live migrations' names, quoted, in order, with commas.
std::string live_migrations() {
    const pg::Door door;
    return pg::query(
               "SELECT string_agg(quote_literal(name) || ' (' || state || ')', ', ' ORDER BY id) "
               "FROM zdm.migration WHERE state NOT IN ('planned', 'done', 'rolled_back')")
        .front()
        .text(0);
}

}  // namespace

}  // namespace zdm

ZDM_FUNCTION(zdm_guard_drop) {
    using namespace zdm;
    if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
        throw pg::Error{pg::sqlstate("39P03"),
                        "ZD701: zdm.guard_drop was not called by an event trigger",
                        {},
                        "zdm makes its event trigger itself, with CREATE EXTENSION zdm."};
    const auto* const event = reinterpret_cast<const EventTriggerData*>(fcinfo->context);
    if (drops_zdm(event->parsetree)) {
        const std::string live = live_migrations();
        if (!live.empty())
            throw pg::Error{
                pg::state::kObjectInUse, "ZD308: extension zdm is at work and cannot be dropped",
                "Live migrations: " + live + ".",
                "Finish each with zdm_contract(...) or undo it with zdm_rollback(...), then drop "
                "the extension."};
    }
    PG_RETURN_NULL();
}
