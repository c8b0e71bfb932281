// ALTER COLUMN TYPE that would rewrite the table: a column of the new type beside the old one,
// under a private name, filled from it and kept in step. The switch turns both round in one
// transaction: the new column gets the name, and the old one follows it until contract, for a way
// back.
#include "plan/apart.hpp"
#include "plan/retyping.hpp"
#include "plan/text.hpp"

namespace zdm::plan {

namespace {

void add_lock(std::vector<TableLock>& locks, std::size_t table) {
    for (const auto& held : locks)
        if (held.table == table) return;
    locks.push_back({table, LockMode::access_exclusive});
}

bool has(const std::vector<std::string>& columns, const std::string& column) {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
}

// Whether a foreign key wrote to the new column, or nothing wrote NULL to the old one.
std::string may_lead(const RenameColumn& copies) {
    return copies.renamed + " IS NULL OR " + copies.column + " IS NOT NULL";
}

// Whether an INSERT put a value into the old column, which has no default any more and stands where
// the new one would: both may have come from a row that had both.
std::string put_there(const RetypeColumn& retype) {
    return retype.parked + " IS NOT NULL AND " +
           differs_from(retype.parked, retype.down, retype.old_type);
}

}  // namespace

void Retyping::check() const {
    refuse_company();
    refuse_late();
    if (retype_.given) check_down(*retype_.given, name_, retype_.parked);
}

// Steps name columns in text, and these change their names in between.
void Retyping::refuse_company() const {
    for (const auto& other : composer_.facts().actions) {
        if (&other == &action_) continue;
        if (const auto* retype = std::get_if<RetypeColumn>(&other.detail)) {
            if (other.table == action_.table) refuse_reading(*retype);
            continue;
        }
        bool both = touches(other, action_.table);
        for (const auto& held : action_.seen.locks) both = both || other.table == held.table;
        if (!both) continue;
        refuse(action_.at, "ZD105", pg::state::kFeatureNotSupported,
               "the type of column " + name_ + " of " + table_.qualified +
                   " can't be changed together with another statement about its table, or about "
                   "one that a foreign key ties to it",
               "That is: " + other.written, "Change the type in a migration of its own.");
    }
}

void Retyping::refuse_reading(const RetypeColumn& other) const {
    const std::string& column = other.copies.column;
    const bool given = retype_.given && has(retype_.given->reads, column);
    if (!given && !has(retype_.reads, column)) return;
    refuse(action_.at, "ZD105", pg::state::kFeatureNotSupported,
           std::string{given ? "-- zdm: down" : "USING"} + " of column " + name_ + " of " +
               table_.qualified + " reads " + column + ", whose type is changed as well",
           "Both columns change hands at the same moment.",
           "Change one of them in a migration of its own.");
}

// From the lowest up, so that what comes from above finds it there and is one with it.
void Retyping::add_own_columns() {
    const auto& own = retype_.own_columns;
    for (auto place = own.rbegin(); place != own.rend(); ++place) {
        const Partition& child = partition(*place);
        const std::string alter_child = "ALTER TABLE " + child.qualified + " ";
        Step step = composer_.start_at(action_, child, StepKind::ddl);
        step.command = alter_child + "ADD COLUMN " + shadow_ + " " + rename_.definition + ";";
        step.locks = {{child.qualified, LockMode::access_exclusive}};
        for (const auto& below : partitions_below(table_, *place))
            step.locks.push_back({below, LockMode::access_exclusive});
        step.lock = LockMode::access_exclusive;
        step.undo = undo_ddl(step, alter_child + "DROP COLUMN " + shadow_ + ";");
        step.note = "this table has " + name_ + " by itself as well";
        step.parameters["path"] = "pinned";
        step.parameters["statements"] = "1";
        composer_.add(Slot::structure, step);
    }
}

// Its definition would name columns of two times.
void Retyping::refuse_late() const {
    for (const auto& constraint : rename_.constraints)
        if (constraint.late && constraint.both)
            refuse(action_.at, "ZD105", pg::state::kFeatureNotSupported,
                   "both columns of foreign key " + constraint.name +
                       ", which refers to the partitioned table " + table_.qualified +
                       ", change their types",
                   "Such a key is made anew in the switch of the table that it refers to.",
                   "Change one of them in a migration of its own.");
}

void Retyping::add_columns() {
    add_own_columns();
    add_column();
}

void Retyping::copy() {
    copy_all();
    build_second();
    helper_ = composer_.private_name(retype_.parked, "not_null");
}

// While the table that a foreign key refers to has its new column, and this one not yet, CASCADE
// and SET NULL reach the private column alone.
std::vector<std::string> Retyping::forward() const {
    std::vector<std::string> rules;
    if (is_led()) rules = {unquoted(name_), "step", retype_.down_before, may_lead(rename_)};
    for (const auto& part : {unquoted(shadow_), std::string{"step"}, retype_.up, std::string{}})
        rules.push_back(part);
    return rules;
}

bool Retyping::is_led() const {
    for (const auto* other : retyped_columns(composer_.facts(), action_.table))
        if (std::get<RetypeColumn>(other->detail).led) return true;
    return false;
}

std::vector<std::string> Retyping::turned() const {
    return {unquoted(name_),          "taken", retype_.up_again, put_there(retype_),
            unquoted(retype_.parked), "step",  retype_.down,     std::string{}};
}

Following Retyping::follows() const {
    return {shadow_, rename_.type, retype_.up, {}, retype_.reads};
}

Going Retyping::goes() const {
    return {name_, name_ + " IS NOT NULL", true, retype_.old_type, retype_.down_before, {shadow_}};
}

Following Retyping::follows_again() const {
    return {name_, rename_.type, retype_.up_again, {}, retype_.reads_again};
}

Going Retyping::goes_again() const {
    return {retype_.parked, retype_.parked + " IS NOT NULL", true, retype_.old_type, retype_.down,
            {name_},        retype_.given.has_value()};
}

// A primary key takes its index along when it goes: without another one there is no way back.
void Retyping::build_second() {
    const std::string note =
        "built beside reads and writes; from it the primary key of the old type comes back in a "
        "rollback";
    for (const auto& primary : retype_.primaries) {
        const CopiedIndex& index = rename_.indexes[primary.index];
        Second& second = seconds_.emplace_back();
        for (std::size_t k = 0; k < index.parts.size(); ++k) {
            const CopiedPart& part = index.parts[k];
            second.parts.push_back(composer_.private_name(part.name, "old"));
            if (partition(part.partition).leaf)
                build_in_leaf({part.partition, second.parts.back(), part.schema}, true,
                              primary.tails.at(k), note);
        }
        if (table_.partitioned && !index.partition) continue;
        second.name = composer_.private_name(index.name, "old");
        if (index.partition) {
            build_in_leaf({*index.partition, second.name, index.schema}, true, primary.tail, note);
            continue;
        }
        Step step = composer_.start(action_, StepKind::index);
        step.command = "CREATE UNIQUE INDEX CONCURRENTLY " + second.name + " ON " +
                       table_.qualified + " " + primary.tail;
        step.undo = {undo_by_drop_index(index.schema + "." + second.name)};
        step.lock = LockMode::share_update_exclusive;
        step.scans = true;
        step.note = note;
        step.parameters = {{"index", index.schema + "." + second.name}};
        composer_.add(Slot::filled_index, step);
    }
}

void Retyping::drop_constraint(Script& all, const OldConstraint& old) const {
    const std::string drop = "DROP CONSTRAINT " + copy_of(old).name + ";";
    add_to(all, old, {alter_owner(old) + drop});
    for (const std::size_t place : copy_of(old).own) {
        const std::string& child = partition(place).qualified;
        all.about(child, "ALTER TABLE " + child + " " + drop);
    }
}

void Retyping::drop_primaries(Script& all) const {
    for (const auto& primary : retype_.primaries) {
        const CopiedIndex& index = rename_.indexes[primary.index];
        const std::string drop = "DROP CONSTRAINT " + index.name + ";";
        if (index.partition) {
            const std::string& owner = partition(*index.partition).qualified;
            all.about(owner, "ALTER TABLE " + owner + " " + drop);
        } else {
            all.push_back(alter(table_) + drop);
        }
    }
}

void Retyping::add_primary(Script& all, const OldPrimary& primary) const {
    const CopiedIndex& index = rename_.indexes[primary.index];
    if (!table_.partitioned || index.partition) return name_index(all, primary.index);
    add_primary_keys(
        all, index,
        {index_parts_[primary.index], primary.columns, primary.definition, key_before(primary)});
    append(all, index.after);
}

void Retyping::add_old_primary(Script& all, std::size_t i) const {
    const OldPrimary& primary = retype_.primaries[i];
    const CopiedIndex& index = rename_.indexes[primary.index];
    const std::string add =
        "ADD CONSTRAINT " + index.name + " PRIMARY KEY USING INDEX " + seconds_[i].name + ";";
    if (index.partition) {
        const std::string& owner = partition(*index.partition).qualified;
        all.about(owner, "ALTER TABLE " + owner + " " + add);
        return all.about(owner, index.after);
    }
    if (table_.partitioned)
        add_primary_keys(
            all, index,
            {seconds_[i].parts, primary.columns, primary.definition, key_after(primary)});
    else
        all.push_back(alter(table_) + add);
    append(all, index.after);
}

void Retyping::identify(Script& all, std::size_t i, bool by_copies) const {
    const CopiedIndex& index = rename_.indexes[i];
    const std::string by = "REPLICA IDENTITY USING INDEX ";
    const std::string& name = by_copies ? indexes_[i] : index.name;
    if (index.replica_identity && index.partition) {
        const std::string& leaf = partition(*index.partition).qualified;
        all.about(leaf, "ALTER TABLE " + leaf + " " + by + name + ";");
    } else if (index.replica_identity) {
        all.push_back(alter(table_) + by + name + ";");
    }
    for (std::size_t k = 0; k < index.parts.size(); ++k) {
        const CopiedPart& part = index.parts[k];
        if (!part.replica_identity) continue;
        const std::string& owner = partition(part.partition).qualified;
        all.about(owner, "ALTER TABLE " + owner + " " + by +
                             (by_copies ? index_parts_[i][k] : part.name) + ";");
    }
}

// Lists of columns know them by number, so they are told which one has the name now.
void Retyping::turn(Script& all, Part part) const {
    switch (part) {
    case Part::release: return release(all);
    case Part::drop: return drop_old(all);
    case Part::rename:
        all.push_back(rename(name_, retype_.parked));
        return all.push_back(rename(shadow_, name_));
    case Part::key: return key_new(all);
    case Part::add: return add_new(all);
    }
}

// The copies that have taken names go; what takes the old ones' private names back is dropped
// later.
void Retyping::turn_back(Script& all, Part part) const {
    switch (part) {
    case Part::release: return release(all);
    case Part::drop: return drop_new(all);
    case Part::rename:
        all.push_back(rename(name_, shadow_));
        return all.push_back(rename(retype_.parked, name_));
    case Part::key: return key_old(all);
    case Part::add: return add_old(all);
    }
}

// A foreign key goes before the key that it rests on, which may be that of another column.
void Retyping::release(Script& all) const {
    for (const auto& publication : rename_.publications) all.push_back(publication.drop);
    for (const auto& key : retype_.keys) drop_constraint(all, key);
    for (const auto& check : retype_.checks) drop_constraint(all, check);
}

// Without the trigger: what the old column forbids goes.
void Retyping::drop_old(Script& all) const {
    drop_primaries(all);
    if (is_identity()) {
        all.push_back(keep_value(rename_.identity.sequence));
        all.push_back(column(name_) + "DROP IDENTITY;");
    }
    if (!retype_.old_default.empty()) all.push_back(column(name_) + "DROP DEFAULT;");
}

// The rows must be known by another index before a column of this one may be NULL.
void Retyping::key_new(Script& all) const {
    if (!rename_.default_text.empty())
        all.push_back(column(name_) + "SET DEFAULT " + rename_.default_text + ";");
    own_sequences(all, rename_.type);
    if (is_identity()) {
        all.push_back(column(name_) + "ADD " + rename_.identity.clause + ";");
        all.push_back(give_value(rename_.identity.sequence));
    }
    for (const auto& primary : retype_.primaries) add_primary(all, primary);
    for (std::size_t i = 0; i < rename_.indexes.size(); ++i)
        if (!is_primary(i)) identify(all, i, true);
}

void Retyping::add_new(Script& all) const {
    if (rename_.not_null) {
        all.push_back(column(retype_.parked) + "DROP NOT NULL;");
        free_partitions(all, retype_.parked);
        name_not_null(all);
        own_not_null(all);
    }
    for (const auto& key : retype_.keys) {
        if (copy_of(key).late)
            add_not_valid(all, key);
        else
            name_constraint(all, key.copy);
    }
    for (const auto& check : retype_.checks) name_constraint(all, check.copy);
    for (const auto& publication : rename_.publications) all.push_back(publication.add);
    anew(all);
}

void Retyping::drop_new(Script& all) const {
    drop_primaries(all);
    if (!not_null_.empty())
        all.push_back(alter(table_) + "RENAME CONSTRAINT " + rename_.not_null_name + " TO " +
                      not_null_ + ";");
    if (is_identity()) {
        all.push_back(keep_value(rename_.identity.sequence));
        all.push_back(column(name_) + "DROP IDENTITY;");
    }
    if (!rename_.default_text.empty()) all.push_back(column(name_) + "DROP DEFAULT;");
}

void Retyping::key_old(Script& all) const {
    forbid_null(all);
    for (std::size_t i = 0; i < retype_.primaries.size(); ++i) add_old_primary(all, i);
    for (std::size_t i = 0; i < rename_.indexes.size(); ++i)
        if (!is_primary(i)) identify(all, i, false);
}

void Retyping::add_old(Script& all) const {
    // Else it would outlive the trigger that fills the column.
    if (!not_null_.empty() && table_.is_tree()) {
        all.push_back(column(shadow_) + "DROP NOT NULL;");
        free_partitions(all, shadow_);
    }
    if (!retype_.old_default.empty())
        all.push_back(column(name_) + "SET DEFAULT " + retype_.old_default + ";");
    own_sequences(all, retype_.sequence_type);
    if (is_identity()) {
        all.push_back(column(name_) + "ADD " + retype_.old_identity + ";");
        all.push_back(give_value(rename_.identity.sequence));
    }
    for (const auto& key : retype_.keys) add_not_valid(all, key);
    for (const auto& check : retype_.checks) add_not_valid(all, check);
    for (const auto& publication : rename_.publications) all.push_back(publication.add);
    anew(all);
}

// Where NOT NULL has a name, a partition that was given a key by itself keeps its own, and the
// name.
void Retyping::free_partitions(Script& all, const std::string& column) const {
    if (rename_.not_null_name.empty() || !table_.is_tree()) return;
    for (const auto& part : table_.partitions)
        all.about(part.qualified,
                  "ALTER TABLE " + part.qualified + " ALTER COLUMN " + column + " DROP NOT NULL;");
}

// That of the table is there, under the same name.
void Retyping::own_not_null(Script& all) const {
    for (const std::size_t place : retype_.own_not_null) {
        const std::string& child = partition(place).qualified;
        all.about(child, "ALTER TABLE " + child + " ADD CONSTRAINT " + rename_.not_null_name +
                             " NOT NULL " + name_ + ";");
    }
}

void Retyping::forbid_null(Script& all) const {
    if (!rename_.not_null) return;
    if (rename_.not_null_name.empty())
        all.push_back(column(name_) + "SET NOT NULL;");
    else
        all.push_back(alter(table_) + "ADD CONSTRAINT " + rename_.not_null_name + " NOT NULL " +
                      name_ + ";");
    own_not_null(all);
    all.push_back(alter(table_) + "DROP CONSTRAINT " + helper_ + ";");
    append(all, rename_.not_null_after);
}

void Retyping::add_not_valid(Script& all, const OldConstraint& old) const {
    const CopiedConstraint& copy = copy_of(old);
    const std::string add = "ADD CONSTRAINT " + copy.name + " " + old.definition + " NOT VALID;";
    for (auto place = copy.own.rbegin(); place != copy.own.rend(); ++place) {
        const std::string& child = partition(*place).qualified;
        all.about(child, "ALTER TABLE " + child + " " + add);
    }
    add_to(all, old, {alter_owner(old) + add});
    add_to(all, old, copy.after);
}

// As a serial column of the type would have them.
void Retyping::own_sequences(Script& all, const std::string& type) const {
    for (const auto& sequence : rename_.sequences)
        all.push_back("ALTER SEQUENCE " + sequence +
                      (retype_.sequence_type.empty() ? "" : " AS " + type) + " OWNED BY " +
                      table_.qualified + "." + name_ + ";");
}

// How the columns of the primary key, changed ones too, are called before the transaction of the
// switch, and before that of the way back.
std::string Retyping::key_before(const OldPrimary& primary) const {
    std::vector<std::string> columns = primary.columns;
    for (const auto* other : retyped_columns(composer_.facts(), action_.table)) {
        const auto& copies = std::get<RetypeColumn>(other->detail).copies;
        std::replace(columns.begin(), columns.end(), copies.column, copies.renamed);
    }
    return join(columns);
}

std::string Retyping::key_after(const OldPrimary& primary) const {
    std::vector<std::string> columns = primary.columns;
    for (const auto* other : retyped_columns(composer_.facts(), action_.table)) {
        const auto& retype = std::get<RetypeColumn>(other->detail);
        std::replace(columns.begin(), columns.end(), retype.copies.column, retype.parked);
    }
    return join(columns);
}

void Retyping::add_locks(std::vector<TableLock>& locks) const {
    for (const auto& key : retype_.keys) add_lock(locks, copy_of(key).table);
}

// From the count on a value that does not fit is refused, or the way back would have no end.
Undos Retyping::prove() const {
    if (!rename_.not_null) return {};
    Step start = composer_.start(action_, StepKind::ddl);
    composer_.lock(start, action_, exclusive());
    return prove_not_null(start, retype_.parked, helper_, retype_.parked + ", the old " + name_);
}

Undos Retyping::validate_again() const {
    Undos parts;
    for (const auto* side : {&retype_.keys, &retype_.checks})
        for (const auto& old : *side)
            if (copy_of(old).valid) parts.push_back(validate(old));
    return parts;
}

void Retyping::validate_late() const {
    for (const auto& key : retype_.keys) {
        const CopiedConstraint& copy = copy_of(key);
        if (!copy.late || !copy.valid) continue;
        const Undo validate_key = validate(key);
        Step step = composer_.start(at(copy.table), StepKind::ddl);
        step.command = validate_key.command;
        step.parameters = validate_key.parameters;
        step.locks = validate_key.locks;
        step.lock = LockMode::share_update_exclusive;
        step.scans = true;
        step.note = "foreign key " + copy.name +
                    " holds since the switch as it did before; scans beside reads and writes";
        composer_.add(Slot::switch_, step);
    }
}

Undo Retyping::validate(const OldConstraint& old) const {
    const CopiedConstraint& copy = copy_of(old);
    Undo part{StepKind::ddl,
              alter_owner(old) + "VALIDATE CONSTRAINT " + copy.name + ";",
              {{"path", "pinned"}, {"statements", "1"}},
              {}};
    if (copy.partition) {
        const Partition& leaf = partition(*copy.partition);
        part.locks = {{leaf.qualified, LockMode::share_update_exclusive}};
        return at_partition(part, table_, leaf);
    }
    const Table& owner = composer_.facts().tables.at(copy.table);
    part.locks = {{owner.qualified, LockMode::share_update_exclusive}};
    if (copy.foreign_key && copy.table != action_.table)
        part.locks.push_back({table_.qualified, LockMode::row_share});
    return part;
}

// Where new values don't fit the old column.
std::string Retyping::what_is_lost() const {
    if (retype_.given) return "; where -- zdm: down gives NULL it is NULL";
    std::string text = "; there a value that " + retype_.old_type + " can't hold is NULL";
    for (const auto& index : rename_.indexes)
        if (index.constraint == "UNIQUE" && !index.is_early())
            text += ", and as the name " + index.name +
                    " stays with it until contract, ON CONFLICT ON CONSTRAINT " + index.name +
                    " finds no conflict of such values: one gets 23505 (ON CONFLICT with a list of "
                    "columns finds it)";
    if (retype_.sequence_type.empty() && !is_identity()) return text;
    for (const auto& sequence : sequences())
        text += "; where " + sequence + " is past the end of " + retype_.old_type +
                " and no row is, a rollback needs SELECT setval(" + literal(sequence) +
                ", (SELECT max(" + name_ + ") FROM " + table_.qualified + "))";
    return text;
}

std::string Retyping::watch_note() const {
    return shadow_ + " is kept in step with " + join(retype_.reads) + "; a value that " +
           rename_.type + " can't take fails from here on, as it will after the change";
}

std::string Retyping::switch_note() const {
    std::string note = name_ + " is " + rename_.type + " from here on, and " + retype_.parked +
                       " follows it for a rollback";
    if (retype_.partial) note += what_is_lost();
    if (retype_.given && !retype_.given->may_fail.empty())
        note +=
            " (" + retype_.given->may_fail + " can make that statement of the new version fail)";
    return note;
}

void Retyping::remove(Script& then, std::vector<TableLock>& locks) const {
    then.push_back(alter(table_) + "DROP COLUMN " + retype_.parked + ";");
    for (const std::size_t place : retype_.own_columns) {
        const std::string& child = partition(place).qualified;
        then.about(child, "ALTER TABLE " + child + " DROP COLUMN " + retype_.parked + ";");
    }
    for (std::size_t i = 0; i < rename_.indexes.size(); ++i)
        if (!is_primary(i)) name_index(then, i);
    for (std::size_t i = 0; i < rename_.constraints.size(); ++i) {
        const CopiedConstraint& constraint = rename_.constraints[i];
        if (!constraint.foreign_key || constraint.incoming) continue;
        name_constraint(then, i);
        add_lock(locks, constraint.referenced);
    }
    name_statistics(then);
}

void Retyping::add_notes() {
    composer_.note("until the switch " + table_.qualified + "." + name_ + " is " +
                   retype_.old_type + ", from then on " + rename_.type +
                   ": both versions of the application may use it only as both types allow; " +
                   name_ +
                   " then stands last: without a list of columns COPY works until the switch only, "
                   "and INSERT until contract, with values of " +
                   retype_.old_type);
    note_mirrors();
    note_newcomers(
        name_ + ", and with it " + shadow_ + " before the switch, " + retype_.parked + " after it",
        retype_.primaries.empty() ? "" : key_before(retype_.primaries.front()), "the switch");
}

}  // namespace zdm::plan
