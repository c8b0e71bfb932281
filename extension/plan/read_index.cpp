// CREATE INDEX and DROP INDEX.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/rehearsal.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "catalog/index.h"
#include "commands/tablespace.h"
}

namespace zdm::plan {

class IndexReader {
public:
    IndexReader(Rehearsal& rehearsal, const Statement& statement)
        : r_(rehearsal), statement_(statement) {}
    void create(IndexStmt* tree);
    void drop(DropStmt* tree);

private:
    void drop_one(List* names, const DropStmt* tree);
    std::string free_name(const std::string& chosen, std::uint32_t schema) const;
    bool taken(const std::string& name, std::uint32_t schema) const;

    Rehearsal& r_;
    const Statement& statement_;
};

void read_index(Rehearsal& rehearsal, const Statement& statement, Node* tree) {
    IndexReader reader{rehearsal, statement};
    if (IsA(tree, IndexStmt)) reader.create(castNode(IndexStmt, tree));
    if (IsA(tree, DropStmt)) reader.drop(castNode(DropStmt, tree));
}

bool IndexReader::taken(const std::string& name, std::uint32_t schema) const {
    const bool there = !ask("SELECT FROM pg_catalog.pg_class WHERE relnamespace = $1::oid"
                            " AND relname = $2",
                            {std::int64_t{schema}, name})
                            .empty();
    if (!there) return false;
    // A name that an earlier statement drops is free again.
    for (const auto& action : r_.facts_.actions)
        if (const auto* drop = std::get_if<DropIndex>(&action.detail))
            if (unquoted(drop->name) == name) return false;
    return true;
}

std::string IndexReader::free_name(const std::string& chosen, std::uint32_t schema) const {
    std::string name = chosen;
    for (int n = 1; n < 1000 && taken(name, schema); ++n) name = chosen + std::to_string(n);
    return name;
}

void IndexReader::create(IndexStmt* tree) {
    const Place at = r_.source_.place(statement_.start);
    const auto table = r_.target(tree->relation, false).value();
    const Relation relation = r_.clones_.relation(table);
    const bool direct =
        r_.clones_.table(table).made_here() || (statement_.directives.direct && !tree->concurrent);
    const bool named = tree->idxname != nullptr;
    if (named && relation.oid != 0 && taken(tree->idxname, relation.schema_oid)) {
        if (!tree->if_not_exists)
            refuse(at, "ZD005", pg::sqlstate("42P07"),
                   "relation \"" + std::string{tree->idxname} + "\" already exists");
        r_.note(at, "index " + pg::quote_ident(tree->idxname) + " exists already, nothing to do");
        return;
    }
    pg::call([&] {
        tree->concurrent = false;
        if (tree->tableSpace != nullptr) return;
        // The clone is temporary; the index will not be.
        const Oid space = GetDefaultTablespace(RELPERSISTENCE_PERMANENT, false);
        if (OidIsValid(space)) tree->tableSpace = get_tablespace_name(space);
    });
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    tree->relation->alias = nullptr;
    const auto before = indexes_of(relation.clone);
    Action action = r_.start(statement_, statement_.start, statement_.end);
    action.table = table;
    action.seen = r_.replay(reinterpret_cast<Node*>(tree));
    const auto made = added(before, indexes_of(relation.clone));
    if (made == 0) return;
    const auto facts = describe_index(made);
    if (direct) {
        Direct run;
        run.command = action.written + ";";
        run.note = relation.oid == 0 ? "the table is new: nobody else uses it yet" : "";
        action.detail = run;
        r_.add(std::move(action));
        return;
    }
    CreateIndex create;
    create.name =
        named ? facts.name : pg::quote_ident(free_name(unquoted(facts.name), relation.schema_oid));
    create.schema = pg::quote_ident(relation.schema);
    create.unique = facts.unique;
    create.tail = facts.tail;
    create.columns = facts.columns;
    action.detail = create;
    r_.add(std::move(action));
}

void IndexReader::drop(DropStmt* tree) {
    if (tree->behavior == DROP_CASCADE)
        refuse(r_.source_.place(statement_.start), "ZD105", pg::state::kFeatureNotSupported,
               "DROP ... CASCADE is not supported", "It drops what the file does not name.",
               "Name what must go, each in a statement of its own.");
    for (int i = 0; i < list_length(tree->objects); ++i)
        drop_one(static_cast<List*>(list_nth(tree->objects, i)), tree);
}

void IndexReader::drop_one(List* names, const DropStmt* tree) {
    const Place at = r_.source_.place(statement_.start);
    RangeVar* const name = pg::call([&] { return makeRangeVarFromNameList(names); });
    const std::string shown = pg::quote_ident(name->relname);
    const Redirections none;
    const Oid index = pg::call([&] { return resolve(name, &none).oid; });
    std::size_t table = kNoTable;
    if (OidIsValid(index)) {
        const char kind = pg::call([&] { return get_rel_relkind(index); });
        if (kind != RELKIND_INDEX)
            refuse(at, "ZD106", pg::state::kWrongObjectType, shown + " is not an index", {},
                   "Name the index itself.");
        table = r_.clones_.find(pg::call([&] { return IndexGetRelation(index, false); }));
    }
    if (table == kNoTable) {
        if (!tree->missing_ok)
            refuse(at, "ZD005", pg::state::kUndefinedObject,
                   "index \"" + std::string{name->relname} + "\" does not exist");
        r_.note(at, "index " + shown + " does not exist, nothing to do");
        return;
    }
    r_.check_target(table, at);
    r_.clones_.bring_forward(table);
    const Relation relation = r_.clones_.relation(table);
    DropStmt* const single = pg::call([&] {
        DropStmt* const made = makeNode(DropStmt);
        made->removeType = OBJECT_INDEX;
        made->objects = list_make1(
            list_make2(makeString(pstrdup("pg_temp")), makeString(pstrdup(name->relname))));
        made->behavior = DROP_RESTRICT;
        return made;
    });
    Action action = r_.start(statement_, statement_.start, statement_.end);
    action.table = table;
    action.seen = r_.replay(reinterpret_cast<Node*>(single));
    DropIndex drop;
    drop.name = shown;
    drop.schema = pg::quote_ident(relation.schema);
    drop.made_here =
        ask("SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index i ON i.indexrelid = "
            "c.oid WHERE i.indrelid = $1::oid AND c.relname = $2",
            {std::int64_t{relation.oid}, std::string{name->relname}})
            .empty();
    action.detail = drop;
    r_.add(std::move(action));
}

}  // namespace zdm::plan
