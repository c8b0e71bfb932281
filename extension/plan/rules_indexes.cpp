// Indexes: CREATE and DROP.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

bool any_in(const std::vector<std::string>& columns, std::size_t table,
            const std::set<ColumnKey>& keys) {
    return std::any_of(columns.begin(), columns.end(), [&](const std::string& column) {
        return keys.count({table, column}) != 0;
    });
}

Slot slot_of(const Composer& composer, const Action& action, const CreateIndex& index) {
    const Survey& seen = composer.seen();
    const bool changed = any_in(index.columns, action.table, seen.changed);
    if (index.unique && (changed || seen.rows_changed.count(action.table) != 0))
        return Slot::unique_index;
    return changed ? Slot::filled_index : Slot::index;
}

const char* note_of(Slot slot) {
    if (slot == Slot::unique_index)
        return "built beside reads and writes, once no row changes any more";
    if (slot == Slot::filled_index)
        return "built beside reads and writes, after its column is filled: the backfill needs no "
               "index writes";
    return "built beside reads and writes";
}

// The server can't drop it CONCURRENTLY.
void drop_partitioned_index(Composer& composer, const Action& action,
                            const std::string& qualified) {
    Step step = composer.start(action, StepKind::ddl);
    composer.lock(step, action, lock_all(action.table, LockMode::access_exclusive));
    step.command = "DROP INDEX " + qualified + ";";
    step.parameters = {{"path", "pinned"}, {"statements", "1"}};
    step.removal = true;
    step.note =
        "queries that used it get slower from here on; nothing is scanned, but all partitions are "
        "locked for a moment";
    composer.add(Slot::remove, step);
}

// A plain CREATE INDEX, for a table that is scanned within the time of a lock timeout.
void add_small(Composer& composer, const Action& action, const CreateIndex& index) {
    const Table& table = composer.table(action);
    Step step = composer.start(action, StepKind::ddl);
    composer.lock(step, action, {{{action.table, LockMode::share}}, true, false});
    step.command = std::string{"CREATE "} + (index.unique ? "UNIQUE " : "") + "INDEX " +
                   index.name + " ON " + table.qualified + " " + index.tail + ";";
    // The table may have grown since.
    step.undo = {undo_by_drop_index(index.schema + "." + index.name)};
    step.note = "the table is smaller than zdm.small_table: built at once";
    step.parameters = {{"path", "pinned"}, {"statements", "1"}};
    composer.add(Slot::index, step);
}

}  // namespace

void plan_action(Composer& composer, const Action& action, const CreateIndex& index) {
    const Table& table = composer.table(action);
    const auto& remade = composer.seen().remade_indexes;
    const bool takes_over = remade.count(index.schema + "." + index.name) != 0;
    const Slot slot = slot_of(composer, action, index);
    if (table.partitioned) {
        if (takes_over)
            refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
                   "index " + index.name + " of the partitioned table " + table.qualified +
                       " can't take the name of one that is dropped",
                   {}, "Give it another name, or drop the old one in a migration before.");
        return add_partitioned_index(composer, action, index, {slot, note_of(slot)});
    }
    if (table.small && slot == Slot::index && !takes_over) {
        add_small(composer, action, index);
        return;
    }
    const std::string name = takes_over ? composer.private_name(index.name, "new") : index.name;
    Step step = composer.start(action, StepKind::index);
    step.command = std::string{"CREATE "} + (index.unique ? "UNIQUE " : "") +
                   "INDEX CONCURRENTLY " + name + " ON " + table.qualified + " " + index.tail;
    step.undo = {undo_by_drop_index(index.schema + "." + name)};
    step.lock = LockMode::share_update_exclusive;
    step.scans = true;
    step.note = note_of(slot);
    step.parameters = {{"index", index.schema + "." + name}};
    composer.add(slot, step);
    if (!takes_over) return;

    Step drop = composer.start(action, StepKind::drop_index);
    drop.command = "DROP INDEX CONCURRENTLY " + index.schema + "." + index.name;
    drop.lock = LockMode::share_update_exclusive;
    drop.removal = true;
    drop.note = "the index of before, whose name the new one takes";
    drop.parameters = {{"index", index.schema + "." + index.name}};
    composer.add(Slot::remove, drop);
    Step rename = composer.start(action, StepKind::ddl);
    composer.lock(rename, action,
                  {{{action.table, LockMode::share_update_exclusive}}, false, false});
    rename.command = "ALTER INDEX " + index.schema + "." + name + " RENAME TO " + index.name + ";";
    rename.undo = undo_ddl(
        rename, "ALTER INDEX " + index.schema + "." + index.name + " RENAME TO " + name + ";",
        LockMode::share_update_exclusive);
    rename.note = "the new index takes the name";
    rename.parameters = {{"path", "pinned"}, {"statements", "1"}};
    composer.add(Slot::remove, rename);
}

void plan_action(Composer& composer, const Action& action, const DropIndex& drop) {
    const std::string qualified = drop.schema + "." + drop.name;
    const auto& remade = composer.seen().remade_indexes;
    const auto found = remade.find(qualified);
    if (found != remade.end() && &composer.facts().actions.at(found->second) == &action) return;
    if (drop.made_here)
        refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
               "index " + qualified + " is made and dropped in one migration", {},
               "Take both statements out, or drop it in a later migration.");
    composer.blind("which queries still use " + qualified);
    if (composer.table(action).partitioned)
        return drop_partitioned_index(composer, action, qualified);
    Step step = composer.start(action, StepKind::drop_index);
    step.command = "DROP INDEX CONCURRENTLY " + qualified;
    step.lock = LockMode::share_update_exclusive;
    step.removal = true;
    step.note = "queries that used it get slower from here on";
    step.parameters = {{"index", qualified}};
    composer.add(Slot::remove, step);
}

}  // namespace zdm::plan
