// Directives that give expressions: `-- zdm: up` is read as the UPDATE that it stands for; `-- zdm:
// down` as an UPDATE of the dropped column, which is given back to the clone for that moment, when
// the table has all the columns that it ends with.
#include "plan/ask.hpp"
#include "plan/read_data.hpp"

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/describe.hpp"
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

// What the server says about a directive, at its place.
[[noreturn]] void refuse_text(Place at, const pg::Error& error, const std::string& hint) {
    refuse(at, "ZD005", error.sqlstate, error.what(), error.detail,
           error.hint.empty() ? hint : error.hint);
}

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
    const std::string verb = given.way == Way::up ? "adds" : "drops";
    refuse(source.place(given.comment), "ZD004", pg::state::kSyntaxError,
           "-- zdm: " + way + " is for a column that its statement " + verb +
               ", and this one has no such column \"" + given.column + "\"",
           given.way == Way::up
               ? "It gives the rows that a table has already the value of a new column."
               : "It gives a dropped column its value as long as the old version runs.",
           "Put it right before the ALTER TABLE that " + verb +
               " the column, without -- zdm: direct, or take it out.");
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
    const auto table = r_.target(relation, false).value();
    try {
        read_fill(tree_of(given, relation), table, at);
    } catch (const pg::Error& error) {
        if (std::string_view{error.what()}.substr(0, 2) == "ZD") throw;
        refuse_text(place_of(error), error, {});
    }
}

void DataReader::read_fill(UpdateStmt* tree, std::size_t table, Place at) {
    refuse_hidden_rows(table, at);
    refuse_unpublishable(table, false, at);
    refuse_rules(table, false, at);
    read_update(tree, table, at);
}

void DataReader::fill_default(RangeVar* relation, const std::string& column, Place at) {
    const auto table = r_.target(relation, false).value();
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

Down DataReader::reverse(std::size_t table, const Given& given, const std::string& definition) {
    given_ = &given;
    const Relation& relation = r_.clones_.relation(table);
    Down down;
    down.at = r_.source_.place(given.comment);
    r_.clones_.bring_forward(table);
    try {
        // The column goes again with it.
        pg::Subtransaction attempt;
        alter_clone(relation, "ADD COLUMN " + pg::quote_ident(given.column) + " " + definition);
        RangeVar* const name = pg::call([&] {
            return makeRangeVar(pstrdup(relation.schema.c_str()), pstrdup(relation.name.c_str()),
                                -1);
        });
        UpdateStmt* const tree = tree_of(given, name);
        ::Query* const query = analyse_target(reinterpret_cast<Node*>(tree), tree->relation);
        Node* const value =
            reinterpret_cast<Node*>(linitial_node(TargetEntry, query->targetList)->expr);
        const Expressions reader = expressions(table, relation.clone);
        down.type = describe_column(relation.clone, given.column)->type;
        down.expression = reader.text(value);
        down.reads = reader.columns(value);
        down.never_null = reader.never_null(value);
        down.immutable = is_immutable(value);
        down.subquery = has_subquery(value);
        down.not_public = reader.not_public(value);
        down.may_fail = may_fail(value);
        for (const auto& column : ask(kColumns, {std::int64_t{relation.clone}}).rows) {
            if (!contains(down.reads, column.text(0))) continue;
            if (column.flag(1)) down.unreadable = "the system column " + column.text(0);
            if (column.flag(2)) down.unreadable = "the generated column " + column.text(0);
            if (column.flag(3)) down.required.push_back(column.text(0));
        }
    } catch (const pg::Error& error) {
        if (std::string_view{error.what()}.substr(0, 2) == "ZD") throw;
        refuse_text(place_of(error), error,
                    "It can read the columns that the table has at the end of this file.");
    }
    return down;
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
