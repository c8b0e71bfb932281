// The constraints of ALTER TABLE, also those written in a column definition.
#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/equal_indexes.hpp"
#include "plan/partition_names.hpp"
#include "plan/read_alter.hpp"
#include "plan/read_partitions.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "catalog/pg_type_d.h"
#include "nodes/makefuncs.h"
}

namespace zdm::plan {

namespace {

// Statements that give a constraint back what DROP CONSTRAINT takes with it.
constexpr auto kGoesWithConstraint =
    "SELECT 'COMMENT ON CONSTRAINT ' || pg_catalog.quote_ident(c.conname) || ' ON ' || $2 ||"
    " ' IS ' || pg_catalog.quote_literal(d.description) || ';'"
    " FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_description d ON d.objoid = c.oid"
    " AND d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass WHERE c.oid = $1::oid"
    " UNION ALL SELECT v.statement FROM pg_catalog.pg_constraint c"
    " JOIN pg_catalog.pg_index i ON i.indexrelid = c.conindid"
    " JOIN pg_catalog.pg_class k ON k.oid = c.conindid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace"
    " CROSS JOIN LATERAL (VALUES (i.indisclustered,"
    "  'ALTER TABLE ' || $2 || ' CLUSTER ON ' || pg_catalog.quote_ident(k.relname) || ';'),"
    " (i.indisreplident, 'ALTER TABLE ' || $2 || ' REPLICA IDENTITY USING INDEX ' ||"
    "  pg_catalog.quote_ident(k.relname) || ';'),"
    " (true, 'COMMENT ON INDEX ' || pg_catalog.quote_ident(n.nspname) || '.' ||"
    "  pg_catalog.quote_ident(k.relname) || ' IS ' ||"
    "  pg_catalog.quote_literal(pg_catalog.obj_description(k.oid, 'pg_class')) || ';'))"
    " AS v(needed, statement)"
    " WHERE c.oid = $1::oid AND c.contype IN ('u', 'p') AND v.needed AND v.statement IS NOT NULL";

// The type that a serial one means, as the server finds it; InvalidOid: it is none.
Oid serial_type(const ColumnDef* column) {
    if (column->typeName == nullptr || list_length(column->typeName->names) != 1) return InvalidOid;
    const std::string_view name{strVal(linitial(column->typeName->names))};
    if (name == "smallserial" || name == "serial2") return INT2OID;
    if (name == "serial" || name == "serial4") return INT4OID;
    if (name == "bigserial" || name == "serial8") return INT8OID;
    return InvalidOid;
}

// A column constraint as a table constraint.
void name_column(Constraint* constraint, const char* column) {
    pg::call([&] {
        if (constraint->contype == CONSTR_FOREIGN)
            constraint->fk_attrs = list_make1(makeString(pstrdup(column)));
        if (constraint->contype == CONSTR_UNIQUE || constraint->contype == CONSTR_PRIMARY)
            constraint->keys = list_make1(makeString(pstrdup(column)));
    });
}

std::string quoted(const char* name) { return pg::quote_ident(name); }

ConstraintKind kind_of(char type) {
    switch (type) {
    case 'f': return ConstraintKind::foreign_key;
    case 'u': return ConstraintKind::unique;
    case 'p': return ConstraintKind::primary_key;
    case 'x': return ConstraintKind::exclusion;
    case 'n': return ConstraintKind::not_null;
    default: return ConstraintKind::check;
    }
}

}  // namespace

bool may_rewrite(const ColumnDef* column) {
    for (int i = 0; i < list_length(column->constraints); ++i) {
        Node* const node = static_cast<Node*>(list_nth(column->constraints, i));
        if (!IsA(node, Constraint)) continue;
        const ConstrType type = castNode(Constraint, node)->contype;
        if (type == CONSTR_DEFAULT || type == CONSTR_IDENTITY) return true;
    }
    return serial_type(column) != InvalidOid;
}

ColumnParts split_column(ColumnDef* column, bool default_too) {
    ColumnParts parts;
    if (const Oid type = serial_type(column); type != InvalidOid) {
        parts.not_null = true;
        column->typeName = pg::call([&] { return makeTypeNameFromOid(type, -1); });
    }
    List* kept = NIL;
    Constraint* last = nullptr;
    for (int i = 0; i < list_length(column->constraints); ++i) {
        Node* const node = static_cast<Node*>(list_nth(column->constraints, i));
        if (!IsA(node, Constraint)) {
            pg::call([&] { kept = lappend(kept, node); });
            continue;
        }
        auto* const constraint = castNode(Constraint, node);
        switch (constraint->contype) {
        case CONSTR_NOTNULL: parts.not_null = true; break;
        case CONSTR_CHECK:
        case CONSTR_UNIQUE:
        case CONSTR_PRIMARY:
        case CONSTR_FOREIGN:
            parts.not_null = parts.not_null || constraint->contype == CONSTR_PRIMARY;
            name_column(constraint, column->colname);
            // A new column has no rows of before that a plain constraint would have to check.
            parts.constraints.push_back(constraint);
            last = constraint;
            break;
        case CONSTR_ATTR_DEFERRABLE:
            if (last != nullptr) last->deferrable = true;
            break;
        case CONSTR_ATTR_DEFERRED:
            if (last != nullptr) last->deferrable = last->initdeferred = true;
            break;
        case CONSTR_ATTR_NOT_DEFERRABLE:
        case CONSTR_ATTR_IMMEDIATE: break;
        case CONSTR_IDENTITY: parts.identity = parts.not_null = true; break;
        case CONSTR_DEFAULT:
            if (default_too)
                parts.value = constraint->raw_expr;
            else
                pg::call([&] { kept = lappend(kept, node); });
            break;
        default: pg::call([&] { kept = lappend(kept, node); }); break;
        }
    }
    column->constraints = kept;
    return parts;
}

Seen AlterReader::replay_constraint(Constraint* constraint) {
    AlterTableCmd* const command = pg::call([&] {
        AlterTableCmd* const made = makeNode(AlterTableCmd);
        made->subtype = AT_AddConstraint;
        made->def = reinterpret_cast<Node*>(constraint);
        return made;
    });
    return replay(command);
}

// Names of constraints are unique by table; the server also keeps chosen ones apart in a schema.
std::string AlterReader::free_constraint_name(const std::string& chosen) const {
    std::string name = chosen;
    const auto dropped = [&] {
        return std::any_of(
            r_.facts_.actions.begin(), r_.facts_.actions.end(), [&](const Action& action) {
                const auto* const drop = std::get_if<DropConstraint>(&action.detail);
                return drop != nullptr && action.table == table_ && unquoted(drop->name) == name;
            });
    };
    for (int n = 1; n < 1000 && !dropped(); ++n) {
        const auto taken =
            ask("SELECT FROM pg_catalog.pg_constraint WHERE connamespace = $1::oid AND conname = $2"
                " UNION ALL SELECT FROM pg_catalog.pg_class WHERE relnamespace = $1::oid AND"
                " relname = $2",
                {std::int64_t{relation().schema_oid}, name});
        if (taken.empty()) break;
        name = chosen + std::to_string(n);
    }
    return name;
}

void AlterReader::add_constraint(Constraint* constraint) {
    switch (constraint->contype) {
    case CONSTR_CHECK: return add_check(constraint);
    case CONSTR_FOREIGN: return add_foreign_key(constraint);
    case CONSTR_UNIQUE:
    case CONSTR_PRIMARY: return add_unique(constraint);
    case CONSTR_EXCLUSION:
        refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
               "an exclusion constraint can't be added to a table that is in use",
               "The server builds its index under a lock that blocks writes.",
               "Write -- zdm: direct right before the statement to accept the lock.");
    default:
        refuse(r_.source_.place(piece_.start), "ZD101", pg::state::kFeatureNotSupported,
               "this kind of constraint is not supported", {},
               "Run the statement directly, with a short lock_timeout.");
    }
}

void AlterReader::add_check(Constraint* constraint) {
    const bool written_not_valid = constraint->skip_validation;
    const bool named = constraint->conname != nullptr;
    constraint->skip_validation = true;
    constraint->initially_valid = false;
    const auto before = constraints_of(relation().clone);
    Action action = start();
    action.seen = replay_constraint(constraint);
    const auto made = added(before, constraints_of(relation().clone));
    const auto facts = describe_constraint(r_.clones_, made);
    AddCheck add;
    add.name = named ? facts.name : quoted(free_constraint_name(unquoted(facts.name)).c_str());
    add.expression = facts.expression;
    add.definition = facts.definition;
    add.columns = facts.columns;
    add.not_valid = written_not_valid;
    add.no_inherit = facts.no_inherit;
    if (table().has_children && !add.no_inherit) refuse_taken_in_children(add.name);
    if (!written_not_valid) add.seen_validate = validate(unquoted(facts.name));
    action.detail = add;
    r_.add(std::move(action));
}

void AlterReader::add_foreign_key(Constraint* constraint) {
    const Place at = r_.source_.place(piece_.start);
    const bool written_not_valid = constraint->skip_validation;
    const bool named = constraint->conname != nullptr;
    const auto referenced = r_.find(constraint->pktable);
    if (referenced && r_.clones_.relation(*referenced).clone != 0 &&
        r_.clones_.relation(*referenced).oid != 0) {
        const auto allowed =
            ask("SELECT pg_catalog.has_table_privilege($1::oid, 'REFERENCES') OR"
                " pg_catalog.has_any_column_privilege($1::oid, 'REFERENCES')",
                {std::int64_t{r_.clones_.relation(*referenced).oid}});
        if (!allowed.front().flag(0))
            refuse(at, "ZD107", pg::state::kInsufficientPrivilege,
                   "permission denied for table " + r_.clones_.table(*referenced).qualified, {},
                   "Its owner must GRANT REFERENCES on it.");
        if (r_.clones_.table(*referenced).partitioned) list_partitions(r_.clones_, *referenced);
    }
    if (table().partitioned && written_not_valid)
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               "a NOT VALID foreign key of the partitioned table " + table().qualified +
                   " is not supported",
               "Before 18 the server knows none.",
               "Leave NOT VALID out: zdm checks the partitions beside reads and writes.");
    // Of a partitioned table it is added when it holds in all partitions.
    constraint->skip_validation = !table().partitioned;
    constraint->initially_valid = table().partitioned;
    const auto before = constraints_of(relation().clone);
    Action action = start();
    action.seen = replay_constraint(constraint);
    const auto made = added(before, constraints_of(relation().clone));
    const auto facts = describe_constraint(r_.clones_, made);
    AddForeignKey add;
    add.name = named ? facts.name : quoted(free_constraint_name(unquoted(facts.name)).c_str());
    add.definition = facts.definition;
    add.violates = facts.violates;
    add.columns = facts.columns;
    add.referenced = facts.referenced;
    add.referenced_columns = facts.referenced_columns;
    add.not_valid = written_not_valid;
    if (!written_not_valid && !table().partitioned)
        add.seen_validate = validate(unquoted(facts.name));
    action.detail = add;
    r_.add(std::move(action));
}

void AlterReader::spread_key(std::uint32_t index, AddUnique& add) const {
    const IndexRole role = add.primary ? IndexRole::primary_key : IndexRole::unique_key;
    add.partitions = name_in_partitions(r_.facts_, members_, {index, add.schema, add.name, role});
    find_equal(table(), index, role, add.partitions);
    if (add.primary) refuse_other_key(add);
}

void AlterReader::refuse_other_key(const AddUnique& add) const {
    for (const auto& own : add.partitions) {
        if (own.is_there()) continue;
        const Partition& partition = table().partitions.at(own.partition);
        const auto found =
            ask("SELECT pg_catalog.quote_ident(conname), pg_catalog.pg_get_constraintdef(oid)"
                " FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND contype = 'p'",
                {std::int64_t{partition.oid}});
        if (found.empty()) continue;
        const std::string name = found.front().text(0);
        refuse(
            r_.source_.place(piece_.start), "ZD005", pg::sqlstate("42P16"),
            "multiple primary keys for table " + partition.qualified + " are not allowed",
            "That partition has another one already: " + name + " " + found.front().text(1) + ".",
            "Drop it in a migration before: ALTER TABLE " + partition.qualified +
                " DROP CONSTRAINT " + name + ";");
    }
}

void AlterReader::add_unique(Constraint* constraint) {
    // The definition that is read back below does not have them.
    if (table().partitioned && (constraint->options != NIL || constraint->indexspace != nullptr))
        refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
               "WITH and USING INDEX TABLESPACE are not supported yet for a key of the partitioned "
               "table " +
                   table().qualified,
               {}, "Leave them out.");
    const bool named = constraint->conname != nullptr;
    const std::string using_index = constraint->indexname == nullptr ? "" : constraint->indexname;
    const auto before = constraints_of(relation().clone);
    // What is nullable must be known before a primary key makes it NOT NULL.
    std::vector<std::string> nullable;
    if (constraint->contype == CONSTR_PRIMARY)
        for (int i = 0; i < list_length(constraint->keys); ++i) {
            const auto column =
                describe_column(relation().clone, strVal(list_nth(constraint->keys, i)));
            if (column && !column->not_null) nullable.push_back(column->name);
        }
    Action action = start();
    action.seen = replay_constraint(constraint);
    const auto made = added(before, constraints_of(relation().clone));
    const auto facts = describe_constraint(r_.clones_, made);
    const auto index = describe_index(facts.index);
    AddUnique add;
    add.name = named || !using_index.empty()
                   ? facts.name
                   : quoted(free_constraint_name(unquoted(facts.name)).c_str());
    add.primary = facts.type == 'p';
    add.tail = index.tail;
    add.suffix = facts.suffix;
    add.columns = facts.columns;
    for (int i = 0; i < list_length(constraint->including); ++i)
        add.included.push_back(quoted(strVal(list_nth(constraint->including, i))));
    add.nullable = nullable;
    if (!using_index.empty()) {
        add.index = quoted(using_index.c_str());
        for (const auto& earlier : r_.facts_.actions)
            if (const auto* built = std::get_if<CreateIndex>(&earlier.detail))
                add.index_made_here = add.index_made_here || built->name == add.index;
    }
    add.schema = quoted(relation().schema.c_str());
    add.definition = facts.definition;
    if (table().partitioned) spread_key(facts.index, add);
    action.detail = add;
    r_.add(std::move(action));
}

void AlterReader::validate_constraint(AlterTableCmd* command) {
    const auto oid = find_constraint(relation().clone, command->name);
    Action action = start();
    action.seen = replay(command);
    const auto facts = describe_constraint(r_.clones_, oid);
    Validate validate;
    validate.name = facts.name;
    validate.violates = facts.violates;
    validate.sqlstate = facts.type == 'f' ? "23503" : "23514";
    validate.made_here = find_constraint(relation().oid, command->name) == 0;
    validate.alone = facts.type == 'f' || facts.no_inherit;
    action.detail = validate;
    r_.add(std::move(action));
}

// What only the original has: its index as it was made, and what goes with the constraint.
void AlterReader::describe_before(std::uint32_t constraint, DropConstraint& drop) const {
    const auto facts = describe_constraint(r_.clones_, constraint);
    const bool key = facts.type == 'u' || facts.type == 'p';
    if (key) {
        const auto index = describe_index(facts.index);
        drop.schema = index.schema;
        drop.tail = index.tail;
        drop.exclusive = !drop.tail.starts_with("USING btree");
        drop.columns = facts.columns;
        if (table().partitioned) drop.partitions = parts_of_key(table(), facts.index);
    }
    for (const auto& row :
         ask(kGoesWithConstraint, {std::int64_t{constraint}, table().qualified}).rows)
        drop.with.push_back(row.text(0));
}

void AlterReader::drop_constraint(AlterTableCmd* command) {
    const auto oid = find_constraint(relation().clone, command->name);
    if (oid == 0 && command->missing_ok) {
        r_.note(r_.source_.place(piece_.start),
                "constraint " + quoted(command->name) + " does not exist, nothing to do");
        return;
    }
    refuse_cascade(command);
    DropConstraint drop;
    if (oid != 0) {
        const auto facts = describe_constraint(r_.clones_, oid);
        drop.name = facts.name;
        drop.kind = kind_of(facts.type);
        drop.definition = facts.definition;
        drop.violates = facts.violates;
        drop.suffix = facts.suffix;
        drop.valid = facts.valid;
        drop.alone = facts.type != 'c' || facts.no_inherit;
    }
    const auto original = find_constraint(relation().oid, command->name);
    drop.made_here = original == 0;
    if (original != 0) describe_before(original, drop);
    Action action = start();
    action.seen = replay(command);
    action.detail = drop;
    r_.add(std::move(action));
}

}  // namespace zdm::plan
