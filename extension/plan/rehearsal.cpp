#include "plan/rehearsal.hpp"

#include <algorithm>
#include <cstring>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/describe.hpp"
#include "plan/replay.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "catalog/index.h"
}

namespace zdm::plan {

namespace {

// Relations that a DROP or COMMENT names by a list of names.
void collect_object(Node* object, ObjectType type, RelationVisitor visit, void* context) {
    if (object == nullptr || !IsA(object, List)) return;
    List* names = castNode(List, object);
    // COMMENT ON COLUMN t.c and ON CONSTRAINT c ON t name more than the table.
    if (type == OBJECT_COLUMN || type == OBJECT_TABCONSTRAINT || type == OBJECT_TRIGGER ||
        type == OBJECT_POLICY || type == OBJECT_RULE) {
        if (list_length(names) < 2) return;
        names = list_truncate(list_copy(names), list_length(names) - 1);
    }
    visit(makeRangeVarFromNameList(names), context);
}

bool names_relation(ObjectType type) {
    switch (type) {
    case OBJECT_TABLE:
    case OBJECT_INDEX:
    case OBJECT_COLUMN:
    case OBJECT_TABCONSTRAINT:
    case OBJECT_TRIGGER:
    case OBJECT_POLICY: return true;
    default: return false;
    }
}

// The table of OWNED BY table.column; NONE is no table.
void collect_owner(const CreateSeqStmt* create, RelationVisitor visit, void* context) {
    for (int i = 0; i < list_length(create->options); ++i) {
        const auto* const option = static_cast<DefElem*>(list_nth(create->options, i));
        if (std::strcmp(option->defname, "owned_by") != 0) continue;
        List* const names = castNode(List, option->arg);
        if (list_length(names) < 2) continue;
        visit(makeRangeVarFromNameList(list_truncate(list_copy(names), list_length(names) - 1)),
              context);
    }
}

void collect_statement(Node* statement, RelationVisitor visit, void* context) {
    visit_relations(statement, visit, context);
    if (IsA(statement, CreateSeqStmt))
        return collect_owner(castNode(CreateSeqStmt, statement), visit, context);
    if (IsA(statement, ViewStmt) && castNode(ViewStmt, statement)->replace) {
        visit(castNode(ViewStmt, statement)->view, context);
    } else if (IsA(statement, DropStmt)) {
        auto* const drop = castNode(DropStmt, statement);
        if (!names_relation(drop->removeType)) return;
        for (int i = 0; i < list_length(drop->objects); ++i)
            collect_object(static_cast<Node*>(list_nth(drop->objects, i)), drop->removeType, visit,
                           context);
    } else if (IsA(statement, CommentStmt)) {
        auto* const comment = castNode(CommentStmt, statement);
        if (names_relation(comment->objtype))
            collect_object(comment->object, comment->objtype, visit, context);
    }
}

struct Found {
    Oid* oids;
    int count;
    int room;
};

void make_room(Found& found) {
    found.room = 16;
    found.oids = static_cast<Oid*>(palloc(sizeof(Oid) * 16));
}

// Notes the table that a name means: for an index, the one under it.
void note_relation(RangeVar* relation, void* context) {
    auto* const found = static_cast<Found*>(context);
    const Redirections none;
    Oid oid = resolve(relation, &none).oid;
    if (!OidIsValid(oid)) return;
    const char kind = get_rel_relkind(oid);
    if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
        oid = IndexGetRelation(oid, false);
    for (int i = 0; i < found->count; ++i)
        if (found->oids[i] == oid) return;
    if (found->count == found->room) {
        found->room *= 2;
        found->oids = static_cast<Oid*>(
            repalloc(found->oids, sizeof(Oid) * static_cast<std::size_t>(found->room)));
    }
    found->oids[found->count++] = oid;
}

struct Wanted {
    Oid table;
    const char* schema;
    const char* name;
    bool found;
};

// Whether a name means the table, one of its indexes, or what will have the name.
void look_for(RangeVar* relation, void* context) {
    auto* const wanted = static_cast<Wanted*>(context);
    const Redirections none;
    Oid oid = resolve(relation, &none).oid;
    if (!OidIsValid(oid)) {
        if (std::strcmp(relation->relname, wanted->name) == 0 &&
            (relation->schemaname == nullptr ||
             std::strcmp(relation->schemaname, wanted->schema) == 0))
            wanted->found = true;
        return;
    }
    const char kind = get_rel_relkind(oid);
    if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
        oid = IndexGetRelation(oid, false);
    if (oid == wanted->table) wanted->found = true;
}

const char* kind_text(char kind) {
    switch (kind) {
    case RELKIND_VIEW: return "a view";
    case RELKIND_MATVIEW: return "a materialized view";
    case RELKIND_FOREIGN_TABLE: return "a foreign table";
    case RELKIND_SEQUENCE: return "a sequence";
    case RELKIND_COMPOSITE_TYPE: return "a composite type";
    case RELKIND_INDEX:
    case RELKIND_PARTITIONED_INDEX: return "an index";
    default: return "not a table";
    }
}

}  // namespace

RehearsalSettings::RehearsalSettings() {
    level_ = pg::call([] {
        const int level = NewGUCNestLevel();
        const char* const settings[][2] = {
            // What replayed statements say is about the clones.
            {"client_min_messages", "error"},
            // Scans are counted for the table only when they are no index scans.
            {"track_counts", "on"},
            {"enable_indexscan", "off"},
            {"enable_indexonlyscan", "off"},
            {"enable_bitmapscan", "off"},
            {"temp_tablespaces", ""},
            {"default_table_access_method", "heap"},
        };
        for (const auto& setting : settings)
            set_config_option(setting[0], setting[1], PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                              true, 0, false);
        return level;
    });
}

RehearsalSettings::~RehearsalSettings() { AtEOXact_GUC(false, level_); }

Rehearsal::Rehearsal(const Source& source, std::int64_t small_table_bytes)
    : source_(source), small_(small_table_bytes), clones_(small_table_bytes) {}

Facts Rehearsal::run() {
    if (XactReadOnly)
        refuse({}, "ZD310", pg::sqlstate("25006"), "zdm cannot plan in a read-only transaction",
               "It plans on empty temporary tables, which it takes away again.",
               "Call it on the primary, in a transaction that may write.");
    const RehearsalSettings settings;
    // Never committed: clones, and all that the statements make, go with it.
    pg::Subtransaction attempt;
    make_clones();
    for (const auto& statement : source_.statements()) {
        pg::check_for_interrupts();
        try {
            read(statement);
        } catch (const pg::Error& error) {
            if (std::string_view{error.what()}.substr(0, 2) == "ZD") throw;
            const Place at = error.position > 0 ? source_.place_of_position(error.position)
                                                : source_.place(statement.start);
            refuse(at, "ZD005", error.sqlstate, error.what(), error.detail, error.hint);
        }
    }
    read_downs();
    check_identities();
    facts_.tables = clones_.tables();
    try_rules();
    return std::move(facts_);
}

void Rehearsal::make_clones() {
    Found found{};
    pg::call([&] { make_room(found); });
    for (const auto& statement : source_.statements()) {
        Node* const tree = statement.tree->stmt;
        try {
            pg::call([&] { collect_statement(tree, note_relation, &found); });
        } catch (const pg::Error& error) {
            // A schema that may not be looked into.
            refuse(source_.place(statement.start), "ZD005", error.sqlstate, error.what(),
                   error.detail, error.hint);
        }
    }
    try {
        clones_.make({found.oids, found.oids + found.count});
    } catch (const pg::Error& error) {
        if (error.sqlstate != pg::state::kInsufficientPrivilege) throw;
        refuse({}, "ZD107", error.sqlstate, error.what(),
               "zdm rehearses a migration on empty temporary copies of its tables.",
               "Let the role make them: GRANT TEMPORARY ON DATABASE ... TO ...;");
    }
}

Action Rehearsal::start(const Statement& statement, int begin, int end) const {
    Action action;
    action.at = source_.place(begin);
    action.written = source_.slice(begin, end);
    action.accept_locks = statement.directives.direct;
    action.phase = statement.directives.phase;
    action.names = named(statement);
    return action;
}

std::vector<std::size_t> Rehearsal::named(const Statement& statement) const {
    Found found{};
    Node* const tree = statement.tree->stmt;
    pg::call([&] {
        make_room(found);
        collect_statement(tree, note_relation, &found);
    });
    std::vector<std::size_t> all;
    for (int i = 0; i < found.count; ++i) {
        const std::size_t index = clones_.find(found.oids[i]);
        if (index != kNoTable) all.push_back(index);
    }
    return all;
}

std::optional<std::size_t> Rehearsal::find(RangeVar* relation) {
    const Redirections all = clones_.redirections();
    const Oid oid = pg::call([&] {
        const Resolved found = resolve(relation, &all);
        if (found.item == nullptr) return found.oid;
        return OidIsValid(found.item->clone) ? found.item->clone : found.item->original;
    });
    const std::size_t index = clones_.find(oid);
    if (index == kNoTable) return std::nullopt;
    return index;
}

std::optional<std::size_t> Rehearsal::target(RangeVar* relation, bool missing_ok, Use use) {
    const Place at = source_.place(std::max(relation->location, 0));
    const auto index = find(relation);
    if (!index) {
        std::string name{relation->relname};
        if (relation->schemaname != nullptr) name = std::string{relation->schemaname} + "." + name;
        if (missing_ok) {
            note(at, "relation \"" + name + "\" does not exist, nothing to do");
            return std::nullopt;
        }
        const Redirections none;
        const char kind = pg::call([&] { return get_rel_relkind(resolve(relation, &none).oid); });
        if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
            refuse(at, "ZD106", pg::state::kWrongObjectType,
                   name + " is an index, and zdm changes tables only", {},
                   "Name the table itself.");
        refuse(at, "ZD005", pg::state::kUndefinedTable, "relation \"" + name + "\" does not exist",
               {}, "Check the name and search_path of this session.");
    }
    check_target(*index, at, use);
    if (clones_.relation(*index).dropped)
        refuse(at, "ZD005", pg::state::kUndefinedTable,
               "relation " + clones_.table(*index).qualified + " does not exist any more",
               "An earlier statement of this migration drops it.", "Take this statement out.");
    clones_.bring_forward(*index);
    return index;
}

void Rehearsal::check_target(std::size_t index, Place at, Use use) const {
    const Relation& relation = clones_.relation(index);
    const std::string& name = clones_.table(index).qualified;
    if (clones_.table(index).made_here()) return;
    if (relation.kind != RELKIND_RELATION && relation.kind != RELKIND_PARTITIONED_TABLE)
        refuse(at, "ZD106", pg::state::kWrongObjectType,
               name + " is " + kind_text(relation.kind) + ", and zdm changes tables only", {},
               "Name the table itself.");
    if (relation.temporary)
        refuse(at, "ZD106", pg::state::kWrongObjectType,
               clones_.table(index).name + " is a temporary table",
               "Other sessions, and so zdm's workers, can't see its rows.",
               "Change it directly: nobody else uses it.");
    if (relation.system)
        refuse(at, "ZD106", pg::state::kWrongObjectType, name + " is a system table", {},
               "zdm changes tables of applications only.");
    check_owner(index, at);
    check_tree(index, at, use);
    if (!relation.heap && relation.kind != RELKIND_PARTITIONED_TABLE)
        refuse(at, "ZD106", pg::state::kWrongObjectType, name + " is not stored as a heap", {},
               "zdm works on heap tables only.");
}

// What the place of the table in a tree forbids.
void Rehearsal::check_tree(std::size_t index, Place at, Use use) const {
    const Relation& relation = clones_.relation(index);
    const std::string& name = clones_.table(index).qualified;
    const bool partitioned = relation.kind == RELKIND_PARTITIONED_TABLE;
    if (use == Use::alter && partitioned && relation.partition)
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               name + " is a partition, and partitioned itself",
               "ALTER TABLE works on the whole of a partitioned table, or on one of the partitions "
               "that have the rows.",
               "Name the table above it, or the partitions below it one by one.");
    if ((partitioned || relation.partition) && use == Use::anything)
        refuse(
            at, "ZD105", pg::state::kFeatureNotSupported,
            name + (relation.partition ? " is a partition" : " is partitioned"),
            "Of such tables zdm changes rows (UPDATE, DELETE), indexes and the table's name, and "
            "runs most forms of ALTER TABLE.",
            "Run the statement directly, with a short lock_timeout.");
    if (clones_.table(index).has_children && use == Use::anything)
        refuse(
            at, "ZD105", pg::state::kFeatureNotSupported, name + " has tables that inherit from it",
            "Of such tables zdm changes rows (UPDATE, DELETE) and indexes, and runs most forms of "
            "ALTER TABLE.",
            "Run the statement directly, with a short lock_timeout.");
}

void Rehearsal::check_owner(std::size_t index, Place at) const {
    if (clones_.relation(index).owned) return;
    refuse(at, "ZD107", pg::state::kInsufficientPrivilege,
           "must be owner of table " + clones_.table(index).qualified, {},
           "Run the migration as the owner of the table, or as a member of that role.");
}

std::size_t Rehearsal::find_by_index(RangeVar* index) const {
    const Redirections none;
    const Oid table = pg::call([&]() -> Oid {
        const Oid oid = resolve(index, &none).oid;
        const char kind = OidIsValid(oid) ? get_rel_relkind(oid) : '\0';
        return kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX
                   ? IndexGetRelation(oid, false)
                   : InvalidOid;
    });
    return clones_.find(table);
}

Seen Rehearsal::replay(Node* statement, bool locks) {
    const Watch watch{clones_, locks};
    run_utility(statement, source_.text());
    return watch.seen();
}

const Statement* Rehearsal::also_naming(const Statement& statement, std::size_t table,
                                        const std::string& name) const {
    const Relation& relation = clones_.relation(table);
    for (const auto& other : source_.statements()) {
        if (&other == &statement) continue;
        Wanted wanted{relation.oid, relation.schema.c_str(), name.c_str(), false};
        Node* const tree = other.tree->stmt;
        pg::call([&] { collect_statement(tree, look_for, &wanted); });
        if (wanted.found) return &other;
    }
    return nullptr;
}

void Rehearsal::redirect_names(Node* statement) {
    const Redirections all = clones_.redirections();
    pg::call([&] { redirect_all(statement, &all); });
}

void Rehearsal::read(const Statement& statement) {
    // The tree is changed on its way to the clones; the original stays for messages.
    RawStmt* const raw = statement.tree;
    Node* const tree = pg::call([&] { return static_cast<Node*>(copyObjectImpl(raw->stmt)); });
    if (!IsA(tree, AlterTableStmt) && !statement.directives.given.empty())
        refuse_misplaced(source_, statement.directives.given.front());
    switch (nodeTag(tree)) {
    case T_AlterTableStmt:
        read_alter_table(*this, statement, castNode(AlterTableStmt, tree));
        break;
    case T_UpdateStmt:
    case T_DeleteStmt:
    case T_InsertStmt: read_data(*this, statement, tree); break;
    case T_IndexStmt: read_index(*this, statement, tree); break;
    case T_DropStmt:
        if (castNode(DropStmt, tree)->removeType == OBJECT_INDEX)
            read_index(*this, statement, tree);
        else
            read_object(*this, statement, tree);
        break;
    case T_RenameStmt: {
        auto* const rename = castNode(RenameStmt, tree);
        if (rename->renameType == OBJECT_COLUMN && rename->relationType == OBJECT_TABLE)
            read_rename(*this, statement, rename);
        else
            read_object(*this, statement, tree);
        break;
    }
    default: read_object(*this, statement, tree); break;
    }
}

}  // namespace zdm::plan
