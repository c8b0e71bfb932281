// Refuses DROP EXTENSION zdm while a migration is live: with CASCADE it would take the sync
// triggers away under the applications, and with them what the migration still needs.
#include <string>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"

#include "pg/executor.hpp"

namespace zdm {

namespace {

// Whether the statement drops the extension zdm.
bool drops_zdm(const Node* statement) {
    if (statement == nullptr || !IsA(statement, DropStmt)) return false;
    const auto* const drop = reinterpret_cast<const DropStmt*>(statement);
    if (drop->removeType != OBJECT_EXTENSION) return false;
    const ListCell* cell;
    foreach (cell, drop->objects)
        if (std::string{strVal(lfirst(cell))} == "zdm") return true;
    return false;
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
