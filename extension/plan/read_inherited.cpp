// ALTER TABLE of a partition by itself, or of a table that inherits: what it has of the tables
// above it stays as these have it.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_alter.hpp"

#include "pg/postgres.hpp"

namespace zdm::plan {

namespace {

// Of a column of the table: whether it has it from above, and whether it is NOT NULL because it is
// so there. Before 18 that counts for partitions only.
constexpr auto kColumn =
    "SELECT a.attinhcount > 0,"
    " EXISTS (SELECT FROM pg_catalog.pg_inherits i"
    "  JOIN pg_catalog.pg_attribute p ON p.attrelid = i.inhparent AND p.attname = a.attname"
    "   AND NOT p.attisdropped AND p.attnotnull WHERE i.inhrelid = a.attrelid AND c.relispartition)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid"
    "  AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND k.coninhcount > 0)"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " WHERE a.attrelid = $1::oid AND a.attname = $2 AND NOT a.attisdropped";

constexpr auto kConstraint =
    "SELECT contype = 'f' FROM pg_catalog.pg_constraint"
    " WHERE conrelid = $1::oid AND conname = $2 AND coninhcount > 0";

// An index that is part of one of the table above.
constexpr auto kAttached =
    "SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid"
    " WHERE i.indrelid = $1::oid AND c.relname = $2";

constexpr auto kAbove = "Change it in the table above, which hands it down.";

// A foreign key of the table above, which the clone does not have.
bool is_inherited_key(std::uint32_t relation, const std::string& name) {
    const auto found = ask(kConstraint, {std::int64_t{relation}, name});
    return !found.empty() && found.front().flag(0);
}

}  // namespace

void AlterReader::refuse_as_server(int sqlstate, const std::string& what,
                                   const std::string& hint) const {
    refuse(r_.source_.place(piece_.start), "ZD005", sqlstate, what,
           table().qualified + " has what the table above it has.", hint);
}

void AlterReader::refuse_inherited(const AlterTableCmd* command) const {
    const std::int64_t oid = relation().oid;
    const std::string name = command->name == nullptr ? "" : command->name;
    const int bad_definition = pg::sqlstate("42P16");
    const auto column = [&](std::size_t which) {
        const auto found = ask(kColumn, {oid, name});
        return !found.empty() && found.front().flag(which);
    };
    switch (command->subtype) {
    case AT_AddColumn:
        if (relation().partition)
            refuse_as_server(pg::state::kWrongObjectType, "cannot add column to a partition",
                             "Add the column to the table above.");
        return;
    case AT_DropColumn:
        if (column(0))
            refuse_as_server(bad_definition, "cannot drop inherited column \"" + name + "\"",
                             kAbove);
        return;
    case AT_AlterColumnType:
        if (column(0))
            refuse_as_server(bad_definition, "cannot alter inherited column \"" + name + "\"",
                             kAbove);
        return;
    case AT_DropNotNull:
        if (column(1))
            refuse_as_server(bad_definition,
                             "column \"" + name + "\" is marked NOT NULL in parent table", kAbove);
        return;
    case AT_DropConstraint:
        if (!ask(kConstraint, {oid, name}).empty())
            refuse_as_server(bad_definition,
                             "cannot drop inherited constraint \"" + name + "\" of relation \"" +
                                 relation().name + "\"",
                             kAbove);
        return;
    case AT_ValidateConstraint:
        if (is_inherited_key(relation().oid, name))
            refuse_as_server(bad_definition, "constraint \"" + name + "\" is inherited", kAbove);
        return;
    case AT_AddConstraint: return refuse_inherited(castNode(Constraint, command->def));
    default: return;
    }
}

void AlterReader::refuse_inherited(const Constraint* constraint) const {
    if (constraint->conname != nullptr && is_inherited_key(relation().oid, constraint->conname))
        refuse_as_server(pg::state::kDuplicateObject,
                         "constraint \"" + std::string{constraint->conname} + "\" for relation \"" +
                             relation().name + "\" already exists",
                         "Choose another name.");
    if (constraint->indexname != nullptr &&
        !ask(kAttached, {std::int64_t{relation().oid}, std::string{constraint->indexname}}).empty())
        refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
               "index " + pg::quote_ident(constraint->indexname) +
                   " is part of an index of the table above, and can't become a constraint of " +
                   table().qualified,
               "A rollback could not take it out again.",
               "Leave USING INDEX out: zdm builds an index for the constraint.");
}

}  // namespace zdm::plan
