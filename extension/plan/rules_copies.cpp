// Copies of what hangs on a column, over the new one beside it: of its indexes and statistics for a
// rename, of constraints and NOT NULL too for a change of type, where they take the names in the
// end.
#include "plan/renaming.hpp"
#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

void Renaming::copy_indexes() {
    for (std::size_t i = 0; i < rename_.indexes.size(); ++i) {
        const CopiedIndex& index = rename_.indexes[i];
        const std::string name = composer_.private_name(index.name, "copy");
        indexes_.push_back(name);
        if (table_.partitioned || index.partition)
            copy_in_partitions(i);
        else if (!index.deferrable.empty())
            defer_copy(index, name);
        else
            build_copy(index, name, Slot::filled_index, kCopyNote);
        note_deferred(index, name);
    }
}

void Renaming::build_copy(const CopiedIndex& index, const std::string& name, Slot slot,
                          const std::string& note) {
    const std::string qualified = index.schema + "." + name;
    Step step = composer_.start(action_, StepKind::index);
    step.command = std::string{"CREATE "} + (index.unique ? "UNIQUE " : "") +
                   "INDEX CONCURRENTLY " + name + " ON " + table_.qualified + " " + index.tail;
    step.undo = {undo_by_drop_index(qualified)};
    step.lock = LockMode::share_update_exclusive;
    step.scans = true;
    step.note = "the copy of " + index.name + ", " + note;
    step.parameters = {{"index", qualified}};
    composer_.add(slot, step);
}

// A unique index alone is checked at once: it must be a constraint before the column has values, or
// an application that is still on its way to unique ones would be refused.
void Renaming::defer_copy(const CopiedIndex& index, const std::string& name) {
    build_copy(index, name, Slot::structure,
               "built beside reads and writes while " + rename_.renamed + " is empty");
    Step step = ddl(action_,
                    {alter(table_) + "ADD CONSTRAINT " + name + " UNIQUE USING INDEX " + name +
                     index.deferrable + ";"},
                    exclusive());
    step.undo = undo_ddl(step, alter(table_) + "DROP CONSTRAINT " + name + ";");
    step.note = "from here on the copy is checked as late as " + index.name;
    composer_.add(Slot::structure, step);
}

void Renaming::note_deferred(const CopiedIndex& index, const std::string& name) {
    if (index.deferrable != " DEFERRABLE") return;
    composer_.note("until contract SET CONSTRAINTS " + index.name +
                   " DEFERRED leaves out its copy " + name +
                   ": applications that defer it must say ALL, or name both");
}

// It is checked after the trigger has run, so that either version may write its own column alone.
void Renaming::copy_not_null() {
    const std::string& column = rename_.renamed;
    std::string set = column_ + "SET NOT NULL;";
    if (!rename_.not_null_name.empty()) {
        not_null_ = composer_.private_name(rename_.not_null_name, "copy");
        set = alter(table_) + "ADD CONSTRAINT " + not_null_ + " NOT NULL " + column + ";";
    }
    set_not_null(composer_, action_,
                 {Slot::copy, column, set,
                  "a helper, so that SET NOT NULL needs no scan; the trigger fills " + column +
                      " before it is checked, so that the old version sees nothing of it"});
}

void Renaming::copy_constraint(const CopiedConstraint& constraint) {
    const Action action = at(constraint.table);
    const std::string own = alter(composer_.table(action));
    const std::string name =
        constraint.late ? std::string{} : composer_.private_name(constraint.name, "copy");
    constraints_.push_back(name);
    if (constraint.late) return;
    if (constraint.partition) return copy_check_of_leaf(constraint, name);
    if (constraint.foreign_key && table_.partitioned) return copy_foreign_key(constraint, name);
    // From the lowest up, so that what comes from above finds it there.
    for (auto child = constraint.own.rbegin(); child != constraint.own.rend(); ++child)
        add_check_to(*child, constraint, name);
    const LockMode mode =
        constraint.foreign_key ? LockMode::share_row_exclusive : LockMode::access_exclusive;
    std::vector<TableLock> locks = {{constraint.table, mode, mode}};
    if (constraint.foreign_key && constraint.referenced != constraint.table)
        locks.push_back({constraint.referenced, mode});

    Step add = composer_.start(action, StepKind::constraint);
    composer_.lock(add, action, locks_of(locks));
    add.command = own + "ADD CONSTRAINT " + name + " " + constraint.definition + " NOT VALID";
    add.undo = undo_ddl(add, own + "DROP CONSTRAINT IF EXISTS " + name + ";");
    add.note = "the copy of " + constraint.name +
               "; who meets that one meets the copy too, as both columns are equal";
    add.parameters = {{"constraint", name}};
    composer_.add(Slot::copy, add);
    if (!constraint.valid) return;

    if (constraint.foreign_key) {
        locks[0].mode = LockMode::share_update_exclusive;
        if (locks.size() > 1) locks[1].mode = LockMode::row_share;
    } else {
        locks = lock_all(constraint.table, LockMode::share_update_exclusive).locks;
    }
    Step validate = composer_.start(action, StepKind::validate);
    validate.command = own + "VALIDATE CONSTRAINT " + name;
    composer_.lock(validate, action, locks_of(locks));
    if (validate.lock == LockMode::none) validate.lock = LockMode::share_update_exclusive;
    validate.scans = true;
    validate.note = "scans beside reads and writes";
    validate.parameters = {{"constraint", name}, {"drop", own + "DROP CONSTRAINT " + name + ";"}};
    composer_.add(Slot::copy, validate);
}

void Renaming::copy_statistics() {
    for (const auto& statistics : rename_.statistics) {
        const std::string name = composer_.private_name(statistics.name, "copy");
        const std::string qualified = statistics.schema + "." + name;
        statistics_.push_back(name);
        Statements statements = {"CREATE STATISTICS " + qualified + " " + statistics.tail + ";"};
        if (!statistics.target.empty())
            statements.push_back("ALTER STATISTICS " + qualified + " SET STATISTICS " +
                                 statistics.target + ";");
        Step step =
            ddl(action_, statements, locks_of({{action_.table, LockMode::share_update_exclusive}}));
        step.undo =
            undo_ddl(step, "DROP STATISTICS " + qualified + ";", LockMode::share_update_exclusive);
        step.note = "the copy of " + statistics.name + ", which ANALYZE fills";
        composer_.add(Slot::copy, step);
    }
}

void Renaming::name_not_null(Script& then) const {
    if (!not_null_.empty())
        then.push_back(alter(table_) + "RENAME CONSTRAINT " + not_null_ + " TO " +
                       rename_.not_null_name + ";");
    append(then, rename_.not_null_after);
}

void Renaming::name_index(Script& then, std::size_t i) const {
    const CopiedIndex& index = rename_.indexes[i];
    if (table_.partitioned || index.partition) return name_in_partitions(then, i);
    if (index.constraint.empty())
        then.push_back("ALTER INDEX " + index.schema + "." + indexes_[i] + " RENAME TO " +
                       index.name + ";");
    else if (index.is_early())
        then.push_back(alter(table_) + "RENAME CONSTRAINT " + indexes_[i] + " TO " + index.name +
                       ";");
    else
        then.push_back(alter(table_) + "ADD CONSTRAINT " + index.name + " " + index.constraint +
                       " USING INDEX " + indexes_[i] + ";");
    append(then, index.after);
}

void Renaming::name_constraint(Script& then, std::size_t i) const {
    const CopiedConstraint& constraint = rename_.constraints[i];
    const std::string rename =
        "RENAME CONSTRAINT " + constraints_[i] + " TO " + constraint.name + ";";
    if (constraint.partition) {
        const std::string& leaf = partition(*constraint.partition).qualified;
        then.about(leaf, "ALTER TABLE " + leaf + " " + rename);
        return then.about(leaf, constraint.after);
    }
    then.push_back(alter(composer_.facts().tables.at(constraint.table)) + rename);
    append(then, constraint.after);
    // Those of partitions were made under the same name.
    name_parts(then, constraint.parts,
               std::vector<std::string>(constraint.parts.size(), constraints_[i]), true);
}

void Renaming::name_statistics(Script& then) const {
    for (std::size_t i = 0; i < rename_.statistics.size(); ++i) {
        const CopiedStatistics& statistics = rename_.statistics[i];
        then.push_back("ALTER STATISTICS " + statistics.schema + "." + statistics_[i] +
                       " RENAME TO " + statistics.name + ";");
        append(then, statistics.after);
    }
}

}  // namespace zdm::plan
