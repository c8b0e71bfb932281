// ALTER TABLE of a table from which others inherit: the server hands most of it down to them. What
// one of them has of its own in that place would be lost on the way back, so it is refused.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_alter.hpp"
#include "plan/read_partitions.hpp"
#include "plan/text.hpp"

#include "pg/postgres.hpp"

namespace zdm::plan {

namespace {

// Whether a column is the table's own as well, or comes from more than one table above.
constexpr auto kOwnColumn =
    "SELECT attislocal OR attinhcount > 1 FROM pg_catalog.pg_attribute"
    " WHERE attrelid = $1::oid AND attname = $2 AND NOT attisdropped";

// What is handed down, or concerns the table alone.
bool suits_children(const AlterTableCmd* command) {
    switch (command->subtype) {
    case AT_AddColumn:
    case AT_ColumnDefault:
    case AT_AlterColumnType:
    case AT_DropNotNull:
    case AT_SetNotNull:
    case AT_AddConstraint:
    case AT_ValidateConstraint:
    case AT_DropColumn:
    case AT_DropConstraint:
    case AT_SetOptions:
    case AT_ResetOptions:
    case AT_SetCompression:
    case AT_SetRelOptions:
    case AT_ResetRelOptions:
    case AT_ClusterOn:
    case AT_DropCluster:
    case AT_ReplicaIdentity:
    case AT_EnableRowSecurity:
    case AT_DisableRowSecurity:
    case AT_ForceRowSecurity:
    case AT_NoForceRowSecurity: return true;
    default: return false;
    }
}

// The columns of a primary key, which it makes NOT NULL.
std::vector<std::string> key_columns(const Constraint* constraint) {
    std::vector<std::string> columns;
    if (constraint->contype != CONSTR_PRIMARY) return columns;
    for (int i = 0; i < list_length(constraint->keys); ++i)
        columns.emplace_back(strVal(list_nth(constraint->keys, i)));
    return columns;
}

}  // namespace

void AlterReader::take_children() {
    const Place at = r_.source_.place(statement_.start);
    if (!alter_->relation->inh)
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               "ALTER TABLE ONLY of a table with children is not supported",
               "They would not have what the table has.", "Leave ONLY out.");
    members_ = list_children(r_.clones_, table_, at);
}

void AlterReader::check_children(const AlterTableCmd* command) const {
    if (!suits_children(command))
        refuse(
            r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
            "this is not supported yet for " + table().qualified + ", from which tables inherit",
            "Of such tables zdm adds and drops columns and constraints, changes names and types of "
            "columns, sets and drops defaults and NOT NULL, and sets options of the table "
            "itself.",
            "Run it directly, with a short lock_timeout.");
    switch (command->subtype) {
    case AT_AddColumn: return refuse_column_of_child(castNode(ColumnDef, command->def)->colname);
    case AT_ColumnDefault: return require_like_children(command->name, true);
    case AT_SetNotNull:
    case AT_DropNotNull: return require_like_children(command->name, false);
    case AT_DropColumn: return refuse_drop_in_children(command);
    case AT_AddConstraint:
        for (const auto& column : key_columns(castNode(Constraint, command->def)))
            require_like_children(column.c_str(), false);
        return;
    default: return;
    }
}

void AlterReader::refuse_column_of_child(const char* column) const {
    // What is there already the server says, or IF NOT EXISTS.
    if (describe_column(relation().clone, column)) return;
    for (const auto& child : table().partitions)
        if (describe_column(child.oid, column))
            refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
                   "child table " + child.qualified + " has a column " + pg::quote_ident(column) +
                       " already",
                   "The server would make them one, and a rollback could not tell them apart.",
                   "Rename that column first, or add this one directly.");
}

// The column is there as in the table: what is changed in all of them comes back as it was.
void AlterReader::require_like_children(const char* column, bool defaults) const {
    const auto own = describe_column(relation().oid, column);
    if (!own) return;
    for (const auto& child : table().partitions) {
        const auto its = describe_column(child.oid, column);
        if (!its ||
            (defaults ? its->default_text == own->default_text : its->not_null == own->not_null))
            continue;
        refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
               "column " + own->name + " of child table " + child.qualified + " has another " +
                   (defaults ? "default" : "NOT NULL") + " than that of " + table().qualified,
               "The statement gives all of them the same, and a rollback could not tell which had "
               "it before.",
               "Make them equal first, with a short lock_timeout.");
    }
}

void AlterReader::refuse_drop_in_children(const AlterTableCmd* command) const {
    const Place at = r_.source_.place(piece_.start);
    const auto own = describe_column(relation().oid, command->name);
    if (!own) return;
    const auto& children = table().partitions;
    std::vector<bool> stays(children.size());
    for (std::size_t i = 0; i < children.size(); ++i) {
        const auto its =
            ask(kOwnColumn, {std::int64_t{children[i].oid}, std::string{command->name}});
        const std::size_t parent = children[i].parent;
        stays[i] = (!its.empty() && its.front().flag(0)) || (parent != kNoTable && stays[parent]);
        const std::string where = own->name + " of child table " + children[i].qualified;
        if (stays[i] && own->not_null && !own->has_default)
            refuse(at, "ZD105", pg::state::kFeatureNotSupported,
                   "column " + where + " stays there, and is NOT NULL in " + table().qualified,
                   "Until contract the new version may leave it out, but NOT NULL can't be dropped "
                   "here alone.",
                   "ALTER TABLE " + table().qualified + " ALTER COLUMN " + own->name +
                       " DROP NOT NULL; then try again.");
        if (stays[i]) continue;
        const auto found = dependents(children[i].oid, command->name);
        if (!found.empty())
            refuse(at, "ZD110", pg::sqlstate("2BP01"), "other objects depend on column " + where,
                   join(found, "; ") + ".",
                   "Change or drop them first, in a migration of their own.");
        const auto its_own = describe_column(children[i].oid, command->name);
        if (its_own && its_own->not_null != own->not_null)
            require_like_children(command->name, false);
    }
}

void AlterReader::refuse_taken_in_children(const std::string& constraint) const {
    for (const auto& child : table().partitions)
        if (find_constraint(child.oid, unquoted(constraint)) != 0)
            refuse(
                r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
                "child table " + child.qualified + " has a constraint " + constraint + " already",
                "The server would make them one, where they are equal.", "Choose another name.");
}

}  // namespace zdm::plan
