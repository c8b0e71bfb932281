// CREATE INDEX and DROP INDEX.
#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/equal_indexes.hpp"
#include "plan/partition_names.hpp"
#include "plan/read_partitions.hpp"
#include "plan/rehearsal.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "catalog/index.h"
#include "commands/defrem.h"
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
    // Refuses what can't be done in all partitions, and names what each gets.
    void spread(std::size_t table, std::uint32_t made, CreateIndex& create);
    std::string free_name(const std::string& chosen, std::uint32_t schema) const;
    bool taken(const std::string& name, std::uint32_t schema) const {
        return is_taken(r_.facts_, schema, name);
    }
    // Of a partitioned table, or of a partition: refuses what its place in the tree forbids.
    void check_drop(std::uint32_t index, const std::string& shown, Place at) const;

    Rehearsal& r_;
    const Statement& statement_;
};

void read_index(Rehearsal& rehearsal, const Statement& statement, Node* tree) {
    IndexReader reader{rehearsal, statement};
    if (IsA(tree, IndexStmt)) reader.create(castNode(IndexStmt, tree));
    if (IsA(tree, DropStmt)) reader.drop(castNode(DropStmt, tree));
}

std::string IndexReader::free_name(const std::string& chosen, std::uint32_t schema) const {
    std::string name = chosen;
    for (int n = 1; n < 1000 && taken(name, schema); ++n) name = chosen + std::to_string(n);
    return name;
}

void IndexReader::spread(std::size_t table, std::uint32_t made, CreateIndex& create) {
    const Place at = r_.source_.place(statement_.start);
    const auto members = list_partitions(r_.clones_, table);
    const Table& facts = r_.clones_.table(table);
    for (std::size_t i = 0; i < members.size(); ++i) {
        const Partition& partition = facts.partitions[i];
        if (members[i].foreign && create.unique)
            refuse(at, "ZD106", pg::state::kWrongObjectType,
                   "cannot create unique index on partitioned table " + facts.qualified,
                   "Its partition " + partition.qualified + " is a foreign table.",
                   "Detach that partition, or make the index of the other partitions one by one.");
        if (members[i].foreign)
            create.foreign.push_back(partition.qualified);
        else
            require_owned(partition, members[i], "Its index is built on the partition itself.", at);
    }
    create.partitions = name_in_partitions(r_.facts_, members,
                                           {made, create.schema, create.name, IndexRole::index});
    find_equal(facts, made, IndexRole::index, create.partitions);
}

void IndexReader::create(IndexStmt* tree) {
    const Place at = r_.source_.place(statement_.start);
    const auto table = r_.target(tree->relation, false, Rehearsal::Use::index).value();
    const bool partitioned = r_.clones_.table(table).partitioned;
    if (partitioned && !tree->relation->inh)
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               "CREATE INDEX ON ONLY a partitioned table makes an index that is not valid", {},
               "Leave ONLY out: zdm builds the index of each partition beside reads and writes.");
    if (partitioned && statement_.directives.direct)
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               "-- zdm: direct is not supported for an index of a partitioned table",
               "It would lock all partitions while they are read.", "Take the comment out.");
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
    if (partitioned) spread(table, made, create);
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

void IndexReader::check_drop(std::uint32_t index, const std::string& shown, Place at) const {
    const auto above =
        ask("SELECT inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits"
            " WHERE inhrelid = $1::oid",
            {std::int64_t{index}});
    if (above.empty()) return;
    const std::string whole = above.front().text(0);
    refuse(at, "ZD005", pg::sqlstate("2BP01"),
           "cannot drop index " + shown + " because index " + whole + " requires it",
           "It is the part of one partition.", "Drop " + whole + " instead.");
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
        if (kind != RELKIND_INDEX && kind != RELKIND_PARTITIONED_INDEX)
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
    r_.check_target(table, at, Rehearsal::Use::index);
    check_drop(index, shown, at);
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
    if (r_.clones_.table(table).partitioned) {
        const auto members = list_partitions(r_.clones_, table);
        for (std::size_t i = 0; i < members.size(); ++i)
            require_owned(r_.clones_.table(table).partitions[i], members[i],
                          "Its index goes with that of the table.", at);
    }
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
