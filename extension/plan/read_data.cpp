// UPDATE, DELETE and INSERT: analysed on the clone, never run.
#include "plan/ask.hpp"
#include "plan/read_data.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/describe.hpp"
#include "plan/expression.hpp"
#include "plan/read_partitions.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "parser/analyze.h"
#include "rewrite/rewriteHandler.h"
}

namespace zdm::plan {

namespace {

// Points names of subqueries at the originals: what they give is deparsed and run there.
void point_home(RangeVar* relation, void* context) {
    const Redirection* const item =
        find_redirection(relation, static_cast<const Redirections*>(context));
    if (item == nullptr || item->original == InvalidOid) return;
    relation->schemaname = pstrdup(item->schema);
    relation->relname = pstrdup(item->name);
}

[[noreturn]] void refuse_form(Place at, const std::string& what, const std::string& hint) {
    refuse(at, "ZD104", pg::state::kFeatureNotSupported,
           what + " can't run in batches of single rows", {}, hint);
}

// Of a column, as behind a cast.
std::string type_of(std::uint32_t relation, int column) {
    return ask("SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
               " WHERE attrelid = $1::oid AND attnum = $2",
               {std::int64_t{relation}, std::int64_t{column}})
        .front()
        .text(0);
}

// A child may have let its NOT NULL go.
constexpr auto kNotNull =
    "WITH RECURSIVE below(oid) AS (SELECT i.inhrelid FROM pg_catalog.pg_inherits i"
    "  WHERE i.inhparent = $1::oid"
    " UNION SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid)"
    " SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid"
    " AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped"
    " AND NOT EXISTS (SELECT FROM below b JOIN pg_catalog.pg_attribute c ON c.attrelid = b.oid"
    "  AND c.attname = a.attname AND NOT c.attisdropped AND NOT c.attnotnull)";

constexpr auto kNoJoin =
    "Write the value as an expression over the row, or as a subquery: SET c = (SELECT ...), WHERE "
    "EXISTS (SELECT ...).";

std::string slice_of(const Source& source, const Statement& statement) {
    return source.slice(statement.start, statement.end);
}

struct Sources {
    List* relations;
};

bool find_sources(Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, Query)) {
        Query* const query = castNode(Query, node);
        for (int i = 0; i < list_length(query->rtable); ++i) {
            auto* const entry = static_cast<RangeTblEntry*>(list_nth(query->rtable, i));
            auto* const sources = static_cast<Sources*>(context);
            if (entry->rtekind == RTE_RELATION && i + 1 != query->resultRelation)
                sources->relations = list_append_unique_oid(sources->relations, entry->relid);
        }
        return pg::compat::walk_query(query, find_sources, context);
    }
    return pg::compat::walk(node, find_sources, context);
}

}  // namespace

void read_data(Rehearsal& rehearsal, const Statement& statement, Node* tree) {
    DataReader reader{rehearsal, statement};
    if (IsA(tree, UpdateStmt)) reader.update(castNode(UpdateStmt, tree));
    if (IsA(tree, DeleteStmt)) reader.remove(castNode(DeleteStmt, tree));
    if (IsA(tree, InsertStmt)) reader.insert(castNode(InsertStmt, tree));
}

Action DataReader::start(std::size_t table) const {
    Action action = r_.start(statement_, statement_.start, statement_.end);
    action.table = table;
    return action;
}

void DataReader::direct(std::size_t table) {
    Action action = start(table);
    Direct direct;
    direct.command = slice_of(r_.source_, statement_) + ";";
    if (r_.clones_.table(table).made_here()) {
        direct.note = "the table is new: nobody else uses it yet";
    } else {
        direct.note = "all rows in one transaction, which holds their locks until it ends";
        direct.data = direct.removal = true;
    }
    action.detail = direct;
    r_.add(std::move(action));
}

::Query* DataReader::analyse(Node* tree) {
    const char* const text = (given_ != nullptr ? given_->text : r_.source_.text()).c_str();
    ::Query* const query = pg::call([&] {
        RawStmt* const raw = makeNode(RawStmt);
        raw->stmt = tree;
        raw->stmt_location = given_ != nullptr ? 0 : statement_.start;
        raw->stmt_len = given_ != nullptr ? 0 : statement_.end - statement_.start;
        return parse_analyze_fixedparams(raw, text, nullptr, 0, nullptr);
    });
    check_sources(query);
    return query;
}

// What the statement reads beside its target must be readable: better to hear that now.
void DataReader::check_sources(::Query* query) const {
    Sources sources{NIL};
    pg::call([&] { find_sources(reinterpret_cast<Node*>(query), &sources); });
    for (int i = 0; i < list_length(sources.relations); ++i) {
        const auto oid = list_nth_oid(sources.relations, i);
        const auto index = r_.clones_.find(oid);
        const std::int64_t original = index == kNoTable ? oid : r_.clones_.relation(index).oid;
        if (original == 0) continue;
        const auto found =
            ask("SELECT pg_catalog.has_any_column_privilege($1::pg_catalog.oid, 'SELECT'),"
                " $1::pg_catalog.oid::pg_catalog.regclass::pg_catalog.text",
                {original});
        if (!found.front().flag(0))
            refuse(r_.source_.place(statement_.start), "ZD107", pg::state::kInsufficientPrivilege,
                   "permission denied for table " + found.front().text(1), {},
                   "Its owner must GRANT SELECT on it.");
    }
}

// Of an error in the text that was analysed.
Place DataReader::place_of(const pg::Error& error) const {
    return given_ != nullptr ? r_.source_.place_in(*given_, error.position)
                             : r_.source_.place_of_position(error.position);
}

// The names of an UPDATE or DELETE: the target is the clone, what subqueries read is not.
void DataReader::redirect_target(Node* tree, RangeVar* target) {
    const Redirections all = r_.clones_.redirections();
    pg::call([&] {
        shorten_columns(tree, &all);
        visit_relations(tree, point_home, const_cast<Redirections*>(&all));
        redirect(target, &all);
    });
}

::Query* DataReader::analyse_target(Node* tree, RangeVar* target) {
    Node* const all_redirected = pg::call([&] { return static_cast<Node*>(copyObjectImpl(tree)); });
    try {
        pg::Subtransaction attempt;
        redirect_target(tree, target);
        ::Query* const query = analyse(tree);
        attempt.commit();
        return query;
    } catch (const pg::Error& error) {
        if (error.sqlstate != pg::state::kUndefinedColumn) throw;
        {
            // Would it be there after the statements before?
            pg::Subtransaction attempt;
            r_.redirect_names(all_redirected);
            try {
                analyse(all_redirected);
            } catch (const pg::Error&) {
                throw error;
            }
        }
        refuse(place_of(error), "ZD105", pg::state::kFeatureNotSupported,
               "a subquery reads a column that this migration makes", {},
               "Change the rows in a later migration.");
    }
}

void DataReader::refuse_clone_reader(Node* expression, Place at) const {
    if (!reads_clone(expression)) return;
    refuse(at, "ZD105", pg::state::kFeatureNotSupported,
           "a subquery reads a table that this migration makes", {},
           "Change the rows in a later migration.");
}

Expressions DataReader::expressions(std::size_t table, std::uint32_t obeys) const {
    const Relation& relation = r_.clones_.relation(table);
    std::vector<std::string> not_null;
    for (const auto& row : ask(kNotNull, {std::int64_t{obeys}}).rows)
        not_null.push_back(row.text(0));
    return Expressions{relation.clone, relation.name, not_null};
}

void DataReader::refuse_hidden_rows(std::size_t table, Place at) const {
    if (!r_.clones_.relation(table).row_security) return;
    refuse(at, "ZD106", pg::state::kFeatureNotSupported,
           "row level security hides rows of " + r_.clones_.table(table).qualified + " from you",
           "Its owner is subject to its policies, too (FORCE ROW LEVEL SECURITY).",
           "ALTER TABLE " + r_.clones_.table(table).qualified +
               " NO FORCE ROW LEVEL SECURITY for the time of the migration, or run it as a role "
               "with BYPASSRLS.");
}

void DataReader::update(UpdateStmt* tree) {
    const Place at = r_.source_.place(statement_.start);
    if (tree->withClause != nullptr) refuse_form(at, "an UPDATE with WITH", kNoJoin);
    if (tree->fromClause != NIL) refuse_form(at, "an UPDATE with FROM", kNoJoin);
    if (tree->whereClause != nullptr && IsA(tree->whereClause, CurrentOfExpr))
        refuse_form(at, "WHERE CURRENT OF", "Say in WHERE which rows are meant.");
    const auto use = statement_.directives.direct ? Rehearsal::Use::anything : Rehearsal::Use::rows;
    const auto table = r_.target(tree->relation, false, use).value();
    refuse_hidden_rows(table, at);
    refuse_unpublishable(table, false, at);
    if (r_.clones_.table(table).made_here() || statement_.directives.direct) {
        r_.redirect_names(reinterpret_cast<Node*>(tree));
        analyse(reinterpret_cast<Node*>(tree));
        return direct(table);
    }
    refuse_rules(table, false, at);
    read_update(tree, table, at);
}

void DataReader::read_update(UpdateStmt* tree, std::size_t table, Place at) {
    ::Query* const query = analyse_target(reinterpret_cast<Node*>(tree), tree->relation);
    if (query->returningList != NIL)
        refuse_form(at, "an UPDATE with RETURNING", "Leave RETURNING out.");

    const Expressions reader = expressions(table, r_.clones_.relation(table).oid);
    const std::uint32_t clone = r_.clones_.relation(table).clone;
    Node* const where = query->jointree->quals;
    if (where != nullptr) refuse_clone_reader(where, at);
    if (r_.clones_.table(table).is_tree()) {
        refuse_for_leaves(tree->relation, query, at);
        read_partitions(r_.clones_, table, {at, RowEvent::update, columns_set(query)});
    }
    Action action = start(table);
    action.at = at;
    Update update;
    update.where = reader.text(where);

    List* const parts = conjuncts(where);
    for (int i = 0; i < list_length(query->targetList); ++i) {
        auto* const target = static_cast<TargetEntry*>(list_nth(query->targetList, i));
        if (target->resjunk) refuse_form(at, "SET (a, b) = (SELECT ...)", kNoJoin);
        if (IsA(target->expr, SetToDefault))
            target->expr = reinterpret_cast<Expr*>(default_of(clone, target));
        Assignment assignment = read_assignment(
            reader, clone, reinterpret_cast<Node*>(target->expr), target->resno, at);
        for (int n = 0; n < list_length(parts); ++n)
            if (null_test_column(static_cast<Node*>(list_nth(parts, n))) == target->resno)
                assignment.marked = true;
        update.assignments.push_back(std::move(assignment));
    }
    read_rest(reader, query, parts, update);
    update.converges = false_after(where, query);
    action.detail = update;
    r_.add(std::move(action));
}

// What `SET c = DEFAULT` means.
Node* DataReader::default_of(std::uint32_t clone, const TargetEntry* target) const {
    return pg::call([&] {
        ::Relation const opened = table_open(clone, NoLock);
        Node* value = build_column_default(opened, target->resno);
        if (value == nullptr) {
            const Form_pg_attribute column =
                TupleDescAttr(RelationGetDescr(opened), target->resno - 1);
            value = reinterpret_cast<Node*>(
                makeNullConst(column->atttypid, column->atttypmod, column->attcollation));
        }
        table_close(opened, NoLock);
        return value;
    });
}

Assignment DataReader::read_assignment(const Expressions& reader, std::uint32_t clone, Node* value,
                                       int column, Place at) const {
    const std::string raw =
        pg::call([&] { return get_attname(clone, static_cast<AttrNumber>(column), false); });
    // SET a[1] = and SET c.f = keep the rest of the old value.
    if (IsA(value, FieldStore) ||
        (IsA(value, SubscriptingRef) && castNode(SubscriptingRef, value)->refassgnexpr != nullptr))
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               "an UPDATE of a part of column " + pg::quote_ident(raw) + " is not supported yet",
               {}, "Assign the whole column.");
    refuse_clone_reader(value, at);
    Assignment assignment;
    assignment.column = pg::quote_ident(raw);
    assignment.type = type_of(clone, column);
    assignment.expression = reader.text(value);
    assignment.subquery = has_subquery(value);
    assignment.of_default = of_default_;
    assignment.null = IsA(value, Const) && castNode(Const, value)->constisnull;
    assignment.never_null = reader.never_null(value);
    assignment.immutable = is_immutable(value);
    assignment.is_volatile = is_volatile(value);
    assignment.reads = reader.columns(value, assignment.column);
    assignment.not_public = reader.not_public(value);
    return assignment;
}

// WHERE without the conjuncts that only mark rows in which an assigned column is NULL.
void DataReader::read_rest(const Expressions& reader, const ::Query* query, ::List* parts,
                           Update& update) const {
    const auto assigned = [&](int column) {
        for (int i = 0; i < list_length(query->targetList); ++i)
            if (static_cast<TargetEntry*>(list_nth(query->targetList, i))->resno == column)
                return true;
        return false;
    };
    List* rest = NIL;
    for (int i = 0; i < list_length(parts); ++i) {
        Node* const part = static_cast<Node*>(list_nth(parts, i));
        const int column = null_test_column(part);
        if (column == 0 || !assigned(column)) pg::call([&] { rest = lappend(rest, part); });
    }
    if (rest == NIL) return;
    Node* const condition =
        pg::call([&] { return reinterpret_cast<Node*>(make_ands_explicit(rest)); });
    update.rest = reader.text(condition);
    update.rest_reads = reader.columns(condition);
    update.rest_subquery = has_subquery(condition);
    update.rest_immutable = is_immutable(condition);
    update.rest_not_public = reader.not_public(condition);
}

void DataReader::remove(DeleteStmt* tree) {
    const Place at = r_.source_.place(statement_.start);
    if (tree->withClause != nullptr) refuse_form(at, "a DELETE with WITH", kNoJoin);
    if (tree->usingClause != NIL) refuse_form(at, "a DELETE with USING", kNoJoin);
    if (tree->whereClause != nullptr && IsA(tree->whereClause, CurrentOfExpr))
        refuse_form(at, "WHERE CURRENT OF", "Say in WHERE which rows are meant.");
    const auto use = statement_.directives.direct ? Rehearsal::Use::anything : Rehearsal::Use::rows;
    const auto table = r_.target(tree->relation, false, use).value();
    refuse_hidden_rows(table, at);
    refuse_unpublishable(table, true, at);
    if (r_.clones_.table(table).made_here() || statement_.directives.direct) {
        r_.redirect_names(reinterpret_cast<Node*>(tree));
        analyse(reinterpret_cast<Node*>(tree));
        return direct(table);
    }
    refuse_rules(table, true, at);
    ::Query* const query = analyse_target(reinterpret_cast<Node*>(tree), tree->relation);
    if (query->returningList != NIL)
        refuse_form(at, "a DELETE with RETURNING", "Leave RETURNING out.");
    Node* const where = query->jointree->quals;
    if (where != nullptr) refuse_clone_reader(where, at);
    if (r_.clones_.table(table).is_tree()) {
        refuse_for_leaves(tree->relation, query, at);
        read_partitions(r_.clones_, table, {at, RowEvent::remove, {}});
    }
    Action action = start(table);
    action.detail = Delete{expressions(table, r_.clones_.relation(table).oid).text(where)};
    r_.add(std::move(action));
}

void DataReader::insert(InsertStmt* tree) {
    const Place at = r_.source_.place(statement_.start);
    const auto table = r_.target(tree->relation, false).value();
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    ::Query* const query = analyse(reinterpret_cast<Node*>(tree));
    if (query->returningList != NIL)
        refuse_form(at, "an INSERT with RETURNING", "Leave RETURNING out.");
    if (query->onConflict != nullptr && query->onConflict->action == ONCONFLICT_UPDATE)
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               "INSERT ... ON CONFLICT DO UPDATE is not supported yet",
               "It overwrites values of rows that are there.",
               "Use ON CONFLICT DO NOTHING, and an UPDATE for the others.");
    Sources sources{NIL};
    pg::call([&] { find_sources(reinterpret_cast<Node*>(query), &sources); });
    Insert insert;
    std::int64_t bytes = 0;
    for (int i = 0; i < list_length(sources.relations); ++i) {
        const auto oid = list_nth_oid(sources.relations, i);
        const auto index = r_.clones_.find(oid);
        if (index != kNoTable) {
            insert.reads.push_back(index);
            bytes += r_.clones_.table(index).bytes.value_or(0);
            continue;
        }
        const auto size = ask("SELECT pg_catalog.pg_relation_size($1::oid)", {std::int64_t{oid}});
        bytes += size.front().number(0);
    }
    insert.large = bytes > r_.small_;
    Action action = start(table);
    action.written = slice_of(r_.source_, statement_);
    action.detail = insert;
    r_.add(std::move(action));
}

}  // namespace zdm::plan
