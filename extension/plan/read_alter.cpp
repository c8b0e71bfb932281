// ALTER TABLE, split into its subcommands: each is replayed alone and becomes actions of its own.
#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/ask.hpp"
#include "plan/compare.hpp"
#include "plan/describe.hpp"
#include "plan/read_alter.hpp"
#include "plan/read_data.hpp"
#include "plan/read_partitions.hpp"
#include "plan/read_retype.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// The order in which ALTER TABLE itself works on its subcommands.
int pass_of(const AlterTableCmd* command) {
    switch (command->subtype) {
    case AT_DropColumn:
    case AT_DropConstraint:
    case AT_DropNotNull: return 0;
    case AT_ColumnDefault: return command->def == nullptr ? 0 : 4;
    case AT_AlterColumnType: return 1;
    case AT_AddColumn: return 2;
    case AT_SetNotNull: return 3;
    case AT_AddConstraint: {
        const auto* const constraint = castNode(Constraint, command->def);
        return constraint->contype == CONSTR_FOREIGN || constraint->contype == CONSTR_CHECK ? 6 : 5;
    }
    default: return 7;
    }
}

// What goes is no question of locks: it goes in contract all the same.
bool drops(const AlterTableCmd* command) {
    return command->subtype == AT_DropColumn || command->subtype == AT_DropConstraint ||
           command->subtype == AT_DropNotNull || command->subtype == AT_ColumnDefault;
}

// What can be done to a table and all its partitions.
bool suits_partitions(const AlterTableCmd* command) {
    switch (command->subtype) {
    case AT_AddColumn:
    case AT_ColumnDefault:
    case AT_DropNotNull:
    case AT_SetNotNull:
    case AT_AddConstraint:
    case AT_ValidateConstraint:
    case AT_DropColumn:
    case AT_AlterColumnType:
    case AT_DropConstraint: return true;
    default: return false;
    }
}

// Whether a partition has an index or check of its own on a column: what becomes of them the clone
// doesn't tell. $1 the partitions, $2 the column.
constexpr auto kOwnPieces =
    "SELECT FROM unnest($1::text[]::oid[]) p (oid) JOIN pg_catalog.pg_attribute a"
    " ON a.attrelid = p.oid AND a.attname = $2 JOIN pg_catalog.pg_depend d"
    " ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = p.oid"
    " AND d.refobjsubid = a.attnum"
    " LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "  AND c.oid = d.objid AND d.objsubid = 0 AND c.relkind IN ('i', 'I') AND NOT c.relispartition"
    " LEFT JOIN pg_catalog.pg_constraint k"
    "  ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid"
    "  AND k.conparentid = 0 AND k.coninhcount = 0 AND k.contype <> 'n'"
    " WHERE c.oid IS NOT NULL OR k.oid IS NOT NULL LIMIT 1";

}  // namespace

void read_alter_table(Rehearsal& rehearsal, const Statement& statement, AlterTableStmt* alter) {
    AlterReader{rehearsal, statement, alter}.read();
}

AlterReader::AlterReader(Rehearsal& rehearsal, const Statement& statement, AlterTableStmt* alter)
    : r_(rehearsal), statement_(statement), alter_(alter) {
    for (const auto& given : statement.directives.given) given_.push_back(&given);
}

const Given* AlterReader::take(Way way, const char* column) {
    const auto found = std::find_if(given_.begin(), given_.end(), [&](const Given* given) {
        return given->way == way && given->column == column;
    });
    if (found == given_.end()) return nullptr;
    const Given* const given = *found;
    given_.erase(found);
    return given;
}

void AlterReader::read() {
    const Place at = r_.source_.place(statement_.start);
    if (alter_->objtype != OBJECT_TABLE) {
        const char* const what = alter_->objtype == OBJECT_INDEX ? "ALTER INDEX" : "this ALTER";
        refuse(at, "ZD101", pg::state::kFeatureNotSupported,
               std::string{what} + " is not supported", {},
               "Run it directly, with a short lock_timeout.");
    }
    const auto found = r_.target(alter_->relation, alter_->missing_ok, Rehearsal::Use::alter);
    if (!found) return;
    table_ = *found;
    if (table().partitioned) take_partitions();
    if (table().has_children) take_children();

    const auto pieces = r_.source_.subcommands(statement_, alter_->relation->location);
    const auto count = static_cast<std::size_t>(list_length(alter_->cmds));
    if (pieces.size() != count)
        refuse(at, "ZD101", pg::state::kFeatureNotSupported,
               "zdm can't tell the subcommands of this ALTER TABLE apart", {},
               "Write each as an ALTER TABLE of its own.");
    std::vector<Piece> ordered;
    for (std::size_t i = 0; i < count; ++i)
        ordered.push_back({static_cast<AlterTableCmd*>(list_nth(alter_->cmds, static_cast<int>(i))),
                           pieces[i].first, pieces[i].second});
    std::stable_sort(ordered.begin(), ordered.end(), [](const Piece& a, const Piece& b) {
        return pass_of(a.command) < pass_of(b.command);
    });
    // What is given in the same statement may read columns that it drops.
    const auto drops_last =
        std::stable_partition(ordered.begin(), ordered.end(), [&](const Piece& piece) {
            return given_.empty() || piece.command->subtype != AT_DropColumn;
        });
    const std::vector<Piece> last{drops_last, ordered.end()};
    ordered.erase(drops_last, ordered.end());
    read_pieces(ordered);
    fill_given();
    read_pieces(last);
    if (!given_.empty()) refuse_misplaced(r_.source_, *given_.front());
}

void AlterReader::take_partitions() {
    if (!alter_->relation->inh)
        refuse(r_.source_.place(statement_.start), "ZD105", pg::state::kFeatureNotSupported,
               "ALTER TABLE ONLY of a partitioned table is not supported", {},
               "Leave ONLY out: partitions have what their table has.");
    const Place at = r_.source_.place(statement_.start);
    members_ = list_partitions(r_.clones_, table_);
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const Partition& partition = table().partitions[i];
        if (members_[i].foreign)
            refuse(at, "ZD106", pg::state::kWrongObjectType,
                   "partition " + partition.qualified + " is a foreign table",
                   "zdm can't see what its server has in it.",
                   "Detach that partition, or run the statement directly.");
        require_owned(partition, members_[i], "It is changed with its table.", at);
    }
}

void AlterReader::refuse_for_partitions() const {
    refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
           "this is not supported yet for the partitioned table " + table().qualified,
           "Of partitioned tables zdm adds and drops columns, constraints and indexes, changes "
           "names and "
           "types of columns, sets and drops defaults and NOT NULL, and changes rows.",
           "Write -- zdm: direct right before the statement to run it as written, with its lock on "
           "all partitions.");
}

void AlterReader::fill_given() {
    for (const Given* const given : ups_) DataReader{r_, statement_}.fill(alter_->relation, *given);
}

void AlterReader::read_pieces(const std::vector<Piece>& pieces) {
    for (const auto& piece : pieces) {
        piece_ = piece;
        try {
            read_piece(piece.command);
        } catch (const pg::Error& error) {
            if (error.position > 0 || std::string_view{error.what()}.substr(0, 2) == "ZD") throw;
            refuse(r_.source_.place(piece.start), "ZD005", error.sqlstate, error.what(),
                   error.detail, error.hint);
        }
    }
}

const Table& AlterReader::table() const { return r_.clones_.table(table_); }
const Relation& AlterReader::relation() const { return r_.clones_.relation(table_); }

Action AlterReader::start() const {
    Action action = r_.start(statement_, piece_.start, piece_.end);
    action.table = table_;
    action.written = "ALTER TABLE " + table().qualified + " " + action.written;
    return action;
}

// The command alone, on the clone.
Seen AlterReader::replay(AlterTableCmd* command, bool locks) {
    AlterTableStmt* const single = pg::call([&] {
        AlterTableStmt* const copy = makeNode(AlterTableStmt);
        copy->relation = static_cast<RangeVar*>(copyObjectImpl(alter_->relation));
        copy->objtype = OBJECT_TABLE;
        copy->cmds = list_make1(copyObjectImpl(command));
        return copy;
    });
    r_.redirect_names(reinterpret_cast<Node*>(single));
    pg::call([&] {
        // An alias is for queries.
        single->relation->alias = nullptr;
    });
    return r_.replay(reinterpret_cast<Node*>(single), locks);
}

Seen AlterReader::validate(const std::string& constraint) {
    AlterTableCmd* const command = pg::call([&] {
        AlterTableCmd* const made = makeNode(AlterTableCmd);
        made->subtype = AT_ValidateConstraint;
        made->name = pstrdup(constraint.c_str());
        return made;
    });
    return replay(command);
}

// As written: what happens to a table that the migration makes itself, or that the user accepts the
// locks for.
void AlterReader::direct(AlterTableCmd* command) {
    Action action = start();
    action.seen = replay(command);
    Direct direct;
    direct.command = action.written + ";";
    if (table().made_here()) {
        direct.note = "the table is new: nobody else uses it yet";
    } else {
        direct.enforces = command->subtype == AT_AddConstraint ||
                          command->subtype == AT_SetNotNull ||
                          command->subtype == AT_ValidateConstraint;
        // Without rows there is nothing to scan or rewrite.
        if (table().empty && !statement_.directives.direct)
            action.seen.scans = action.seen.rewrites = false;
        if (command->subtype == AT_AddColumn) direct.undo = undo_column(command);
        // The old values are gone when a type changes.
        direct.removal = command->subtype == AT_AlterColumnType;
        if (direct.removal) action.phase = action.phase.value_or(Phase::expand);
    }
    action.detail = direct;
    r_.add(std::move(action));
}

// What takes a new column back.
std::string AlterReader::undo_column(const AlterTableCmd* command) const {
    return "ALTER TABLE " + table().qualified + " DROP COLUMN " +
           pg::quote_ident(castNode(ColumnDef, command->def)->colname) + ";";
}

void AlterReader::read_piece(AlterTableCmd* command) {
    if (table().made_here()) return direct(command);
    if (relation().inherits) refuse_inherited(command);
    if (table().has_children) check_children(command);
    if (statement_.directives.direct && !drops(command)) return direct(command);
    if (table().partitioned && !suits_partitions(command)) refuse_for_partitions();
    switch (command->subtype) {
    case AT_AddColumn: return add_column(command);
    case AT_ColumnDefault: return set_default(command);
    case AT_SetNotNull: return set_not_null(command);
    case AT_DropNotNull: return drop_not_null(command);
    case AT_DropColumn: return drop_column(command);
    case AT_AddConstraint: return add_constraint(castNode(Constraint, command->def));
    case AT_ValidateConstraint: return validate_constraint(command);
    case AT_DropConstraint: return drop_constraint(command);
    default: return other(command);
    }
}

void AlterReader::set_default(AlterTableCmd* command) {
    const auto before = describe_column(relation().clone, command->name);
    Action action = start();
    action.seen = replay(command);
    const auto after = describe_column(relation().clone, command->name);
    SetDefault set;
    set.column = after->name;
    set.expression = after->default_text;
    set.before = before->default_text;
    action.detail = set;
    r_.add(std::move(action));
}

void AlterReader::set_not_null(AlterTableCmd* command) {
    const auto before = describe_column(relation().clone, command->name);
    Action action = start();
    action.seen = replay(command);
    if (before->not_null) {
        r_.note(action.at, before->name + " is NOT NULL already, nothing to do");
        return;
    }
    SetNotNull set;
    set.column = before->name;
    set.proven = !action.seen.scans;
    action.detail = set;
    r_.add(std::move(action));
}

void AlterReader::drop_not_null(AlterTableCmd* command) {
    const auto before = describe_column(relation().clone, command->name);
    Action action = start();
    action.seen = replay(command);
    if (!before->not_null) return;
    action.detail = DropNotNull{before->name};
    r_.add(std::move(action));
}

void AlterReader::refuse_cascade(const AlterTableCmd* command) const {
    if (command->behavior != DROP_CASCADE) return;
    refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
           "DROP ... CASCADE is not supported", "It drops what the file does not name.",
           "Name what must go, each in a statement of its own.");
}

void AlterReader::refuse_dependents(const std::string& column, const std::string& what) const {
    const auto found = dependents(relation().oid, column);
    if (found.empty()) return;
    refuse(r_.source_.place(piece_.start), "ZD110", pg::sqlstate("2BP01"),
           "other objects depend on " + what, join(found, "; ") + ".",
           "Change or drop them first, in a migration of their own.");
}

void AlterReader::refuse_dependents_in_partitions(const char* column) const {
    for (const auto& partition : table().partitions) {
        const auto found = dependents(partition.oid, column);
        if (!found.empty())
            refuse(r_.source_.place(piece_.start), "ZD110", pg::sqlstate("2BP01"),
                   "other objects depend on column " + pg::quote_ident(column) + " of " +
                       partition.qualified,
                   join(found, "; ") + ".",
                   "Change or drop them first, in a migration of their own.");
    }
}

void AlterReader::refuse_drop_in_partitions(const char* column, bool not_null) const {
    const Place at = r_.source_.place(piece_.start);
    const std::string shown = pg::quote_ident(column);
    if (const auto key = find_key_column(table().oid, {column}))
        refuse(at, "ZD005", pg::sqlstate("42P16"),
               "cannot drop column " + shown + " because it is part of the partition key of " +
                   key->table,
               {}, "Columns of partition keys stay.");
    refuse_dependents_in_partitions(column);
    for (const auto& partition : table().partitions) {
        // The new version, which no longer writes it, would fail in this partition.
        const auto own = describe_column(partition.oid, column);
        if (own && own->not_null && !not_null)
            refuse(at, "ZD105", pg::state::kFeatureNotSupported,
                   "column " + shown + " is NOT NULL in partition " + partition.qualified +
                       ", and not in its table",
                   "Rows of the new version, which leaves it out, would be refused there.",
                   "ALTER TABLE " + partition.qualified + " ALTER COLUMN " + shown +
                       " DROP NOT NULL; then try again.");
    }
}

// From the default of the column that goes the trigger tells that an application left it out; a row
// has that of the table through which it came, and the trigger knows that of the partition.
void AlterReader::refuse_other_default(const char* column, const ColumnFacts& whole) const {
    for (const auto& partition : table().partitions) {
        const auto own = describe_column(partition.oid, column);
        if (!own || own->default_text == whole.default_text) continue;
        refuse(
            r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
            "-- zdm: down is not supported where a partition has a default of its own",
            "That of " + whole.name + " in " + partition.qualified + " is not that of the table.",
            "Give the partition the default of its table before.");
    }
}

void AlterReader::drop_column(AlterTableCmd* command) {
    const Given* const down = take(Way::down, command->name);
    const auto before = describe_column(relation().clone, command->name);
    if (!before && command->missing_ok) {
        r_.note(r_.source_.place(piece_.start),
                "column " + pg::quote_ident(command->name) + " does not exist, nothing to do");
        return;
    }
    refuse_cascade(command);
    Action action = start();
    action.seen = replay(command);
    const auto original = describe_column(relation().oid, command->name);
    DropColumn drop;
    drop.column = before->name;
    drop.made_here = !original.has_value();
    if (down != nullptr && table().has_children)
        refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
               "-- zdm: down is not supported yet where tables inherit from the table", {},
               "Take the comment out: the old version may then find NULL in new rows.");
    if (original) {
        refuse_dependents(command->name, "column " + before->name + " of " + table().qualified);
        if (table().partitioned) refuse_drop_in_partitions(command->name, original->not_null);
        if (table().partitioned && down != nullptr) refuse_other_default(command->name, *original);
        const bool constant = has_constant_default(relation().oid, command->name);
        drop.given = given(before->name, constant ? original->default_text : "", original->type);
        drop.not_null = original->not_null;
        drop.fixed_not_null = original->in_primary_key || original->identity;
        drop.has_default = original->has_default;
        drop.generated = original->generated;
        drop.checked_domain = has_constrained_domain(relation().oid, command->name);
        drop.relax = original->not_null && !original->has_default && !original->in_primary_key;
        if (down != nullptr) r_.give_down(table_, *down, original->definition);
    }
    action.detail = drop;
    r_.add(std::move(action));
}

// Whether it would rewrite or scan the table under its lock. The clone stays as it was.
bool AlterReader::is_expensive(AlterTableCmd* command) {
    std::vector<std::string> partitions;
    for (const auto& partition : table().partitions)
        partitions.push_back(std::to_string(partition.oid));
    if (!ask(kOwnPieces, {partitions, std::string{command->name}}).empty()) return true;
    pg::Subtransaction attempt;
    const Seen seen = replay(command, false);
    return seen.rewrites || seen.scans;
}

bool AlterReader::change_type(AlterTableCmd* command, Action& action) {
    if (const Given* const up = take(Way::up, command->name)) refuse_up_of_type(r_.source_, *up);
    const Given* const down = take(Way::down, command->name);
    if (!is_expensive(command)) {
        if (down != nullptr) refuse_needless_down(r_.source_, *down);
        return false;
    }
    RetypeReader reader{r_, statement_, action.at, table_, command, down};
    action.detail = reader.read([&] { replay(command, false); }, action.seen);
    r_.add(std::move(action));
    return true;
}

void AlterReader::other(AlterTableCmd* command) {
    Action action = start();
    switch (command->subtype) {
    case AT_AlterColumnType:
        if (describe_column(relation().oid, command->name))
            refuse_dependents(command->name, "column " + std::string{command->name});
        refuse_dependents_in_partitions(command->name);
        break;
    case AT_SetStatistics:
    case AT_SetOptions:
    case AT_ResetOptions:
    case AT_SetStorage:
    case AT_SetCompression:
    case AT_SetRelOptions:
    case AT_ResetRelOptions:
    case AT_ClusterOn:
    case AT_DropCluster:
    case AT_ReplicaIdentity:
    case AT_EnableRowSecurity:
    case AT_DisableRowSecurity:
    case AT_ForceRowSecurity:
    case AT_NoForceRowSecurity: break;
    case AT_AddIdentity:
    case AT_SetIdentity:
    case AT_DropIdentity:
    case AT_DropExpression:
        refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
               "identity and generated columns are not supported yet", {},
               "Run the statement directly, with a short lock_timeout.");
    default:
        refuse(action.at, "ZD101", pg::state::kFeatureNotSupported,
               "this form of ALTER TABLE is not supported", {},
               "Write -- zdm: direct right before the statement to run it as written, or run it "
               "directly with a short lock_timeout.");
    }
    const std::string undo = undo_of(command);
    if (command->subtype == AT_AlterColumnType && change_type(command, action)) return;
    action.seen = replay(command);
    Direct direct;
    direct.command = action.written + ";";
    direct.undo = undo;
    direct.same_locks = true;
    direct.note = "changes the catalog only";
    if (undo.empty()) direct.note += "; rollback leaves it";
    if (command->subtype == AT_AlterColumnType)
        direct.note +=
            "; prepared statements that return the column fail once with 0A000 and "
            "must be prepared again";
    action.detail = direct;
    r_.add(std::move(action));
}

}  // namespace zdm::plan
