// Directives that give expressions: `-- zdm: up` is read as the UPDATE that it stands for; `-- zdm:
// down` as an UPDATE of the dropped column, which is given back to the clone for that moment, when
// the table has all the columns that it ends with.
#include "plan/ask.hpp"
#include "plan/read_data.hpp"

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/describe.hpp"
#include "plan/read_partitions.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// Columns of a clone that a trigger can't read when it runs, and those that every row of the new
// version gives: NOT NULL without a default.
constexpr auto kColumns =
    "SELECT pg_catalog.quote_ident(attname), attnum < 0, attgenerated <> '',"
    " attnotnull AND NOT atthasdef AND attidentity = ''"
    " FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND NOT attisdropped ORDER BY attnum";

// The table that an ALTER TABLE names, as that of an UPDATE. To be called inside pg::call.
RangeVar* plain_name(const RangeVar* relation) {
    auto* const copy = static_cast<RangeVar*>(copyObjectImpl(relation));
    copy->alias = nullptr;
    copy->inh = true;
    return copy;
}

}  // namespace

void refuse_misplaced(const Source& source, const Given& given) {
    const std::string way{to_text(given.way)};
    const bool up = given.way == Way::up;
    const std::string verb = up ? "adds" : "drops or gives another type";
    refuse(source.place(given.comment), "ZD004", pg::state::kSyntaxError,
           "-- zdm: " + way + " is for a column that its statement " + verb +
               ", and this one has no such column \"" + given.column + "\"",
           up ? "It gives the rows that a table has already the value of a new column."
              : "It gives a column that goes, or its old type, a value as long as the old version "
                "runs.",
           up ? "Put it right before the ALTER TABLE that adds the column, without -- zdm: direct, "
                "or take it out."
              : "Put it right before the ALTER TABLE that drops the column or changes its type, "
                "without -- zdm: direct, or take it out.");
}

void refuse_up_of_type(const Source& source, const Given& given) {
    const std::string column = pg::quote_ident(given.column);
    refuse(
        source.place(given.comment), "ZD004", pg::state::kSyntaxError,
        "the value of " + column + " under its new type stands in USING, not in -- zdm: up", {},
        "Write ALTER COLUMN " + column + " TYPE ... USING <expression>, and take the comment out.");
}

void refuse_needless_down(const Source& source, const Given& given) {
    const std::string column = pg::quote_ident(given.column);
    refuse(source.place(given.comment), "ZD004", pg::state::kSyntaxError,
           "no old column stays for -- zdm: down of " + column,
           "The server changes its type in the catalog alone, and so back.",
           "Take the comment out.");
}

UpdateStmt* DataReader::tree_of(const Given& given, RangeVar* relation) const {
    return pg::call([&] {
        auto* const tree = static_cast<UpdateStmt*>(copyObjectImpl(given.tree));
        tree->relation = plain_name(relation);
        return tree;
    });
}

void DataReader::fill(RangeVar* relation, const Given& given) {
    const Place at = r_.source_.place(given.comment);
    given_ = &given;
    const auto table = r_.target(relation, false, Rehearsal::Use::rows).value();
    try {
        read_fill(tree_of(given, relation), table, at);
    } catch (const pg::Error& error) {
        refuse_given(error, {});
    }
}

void DataReader::read_fill(UpdateStmt* tree, std::size_t table, Place at) {
    check_fill(table, at);
    read_update(tree, table, at);
}

void DataReader::fill_default(RangeVar* relation, const std::string& column, Place at) {
    const auto table = r_.target(relation, false, Rehearsal::Use::rows).value();
    const char* const name = column.c_str();
    UpdateStmt* const tree = pg::call([&] {
        ResTarget* const target = makeNode(ResTarget);
        target->name = pstrdup(name);
        target->val = reinterpret_cast<Node*>(makeNode(SetToDefault));
        target->location = -1;
        ColumnRef* const reference = makeNode(ColumnRef);
        reference->fields = list_make1(makeString(pstrdup(name)));
        reference->location = -1;
        NullTest* const missing = makeNode(NullTest);
        missing->arg = reinterpret_cast<Expr*>(reference);
        missing->nulltesttype = IS_NULL;
        missing->location = -1;
        UpdateStmt* const made = makeNode(UpdateStmt);
        made->relation = plain_name(relation);
        made->targetList = list_make1(target);
        made->whereClause = reinterpret_cast<Node*>(missing);
        return made;
    });
    of_default_ = true;
    read_fill(tree, table, at);
}

// What the server says about a directive, at its place; what zdm says stays.
void DataReader::refuse_given(const pg::Error& error, const std::string& hint) const {
    if (std::string_view{error.what()}.substr(0, 2) == "ZD") throw error;
    refuse(place_of(error), "ZD005", error.sqlstate, error.what(), error.detail,
           error.hint.empty() ? hint : error.hint);
}

Down DataReader::reverse(std::size_t table, const Given& given, const std::string& definition) {
    given_ = &given;
    r_.clones_.bring_forward(table);
    try {
        // The column goes again with it.
        pg::Subtransaction attempt;
        alter_clone(r_.clones_.relation(table),
                    "ADD COLUMN " + pg::quote_ident(given.column) + " " + definition);
        return read_down(table, given, given.column).down;
    } catch (const pg::Error& error) {
        refuse_given(error, "It can read the columns that the table has at the end of this file.");
    }
}

DownValue DataReader::give_back(std::size_t table, const Given& given, const std::string& column) {
    given_ = &given;
    try {
        return read_down(table, given, column);
    } catch (const pg::Error& error) {
        refuse_given(error, "It can read the columns of the table, where " +
                                pg::quote_ident(given.column) + " has its new type already.");
    }
}

DownValue DataReader::read_down(std::size_t table, const Given& given, const std::string& column) {
    const Relation& relation = r_.clones_.relation(table);
    RangeVar* const name = pg::call([&] {
        return makeRangeVar(pstrdup(relation.schema.c_str()), pstrdup(relation.name.c_str()), -1);
    });
    UpdateStmt* const tree = tree_of(given, name);
    pg::call([&] { linitial_node(ResTarget, tree->targetList)->name = pstrdup(column.c_str()); });
    ::Query* const query = analyse_target(reinterpret_cast<Node*>(tree), tree->relation);
    if (r_.clones_.table(table).is_tree())
        refuse_for_leaves(tree->relation, query, r_.source_.place(given.comment));
    Node* const value =
        reinterpret_cast<Node*>(linitial_node(TargetEntry, query->targetList)->expr);
    const Expressions reader = expressions(table, relation.clone);
    Down down;
    down.at = r_.source_.place(given.comment);
    down.type = describe_column(relation.clone, column)->type;
    down.expression = reader.text(value);
    down.reads = reader.columns(value);
    down.never_null = reader.never_null(value);
    down.immutable = is_immutable(value);
    down.subquery = has_subquery(value);
    down.not_public = reader.not_public(value);
    down.may_fail = may_fail(value);
    for (const auto& other : ask(kColumns, {std::int64_t{relation.clone}}).rows) {
        if (!contains(down.reads, other.text(0))) continue;
        if (other.flag(1)) down.unreadable = "the system column " + other.text(0);
        if (other.flag(2)) down.unreadable = "the generated column " + other.text(0);
        if (other.flag(3)) down.required.push_back(other.text(0));
    }
    return {down, value};
}

void Rehearsal::read_downs() {
    for (const auto& late : downs_) {
        if (clones_.relation(late.table).dropped) continue;
        const Statement none{};
        auto& drop = std::get<DropColumn>(facts_.actions.at(late.action).detail);
        drop.down = DataReader{*this, none}.reverse(late.table, *late.given, late.definition);
    }
}

}  // namespace zdm::plan
