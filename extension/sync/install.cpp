#include "sync/install.hpp"

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "sync/signs.hpp"
#include "sync/compiled.hpp"

#include "pg/executor.hpp"

namespace zdm::sync {

namespace {

// The relation while it is looked at; the transaction keeps its lock.
class OpenRelation {
public:
    explicit OpenRelation(Oid relation)
        : relation_(pg::call([&] { return table_open(relation, RowExclusiveLock); })) {}
    ~OpenRelation() { table_close(relation_, NoLock); }
    OpenRelation(const OpenRelation&) = delete;
    OpenRelation& operator=(const OpenRelation&) = delete;

    Relation get() const { return relation_; }

private:
    Relation relation_;
};

const ::Trigger* find_trigger(Relation relation) {
    const TriggerDesc* const triggers = relation->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        if (std::string_view{triggers->triggers[i].tgname} == kTriggerName)
            return &triggers->triggers[i];
    throw pg::Error{pg::state::kUndefinedObject,
                    "ZD709: the step made no trigger " + std::string{kTriggerName} +
                        " on table \"" + RelationGetRelationName(relation) + "\"",
                    "The stored command does not say what its step is for.",
                    "Undo the migration with zdm_rollback(...) and create it again."};
}

// The text in the arguments of a trigger holds nothing in place. With these, dropping a function or
// column that a rule uses is refused, instead of breaking every write.
void record_dependencies(Relation relation, const ::Trigger* trigger, const Compiled* set,
                         List* nodes) {
    pg::call([&] {
        ObjectAddress self;
        ObjectAddressSet(self, TriggerRelationId, trigger->tgoid);
        recordDependencyOnSingleRelExpr(&self, reinterpret_cast<Node*>(nodes),
                                        RelationGetRelid(relation), DEPENDENCY_NORMAL,
                                        DEPENDENCY_NORMAL, false);
        for (int i = 0; i < set->rule_count; ++i) {
            ObjectAddress column;
            ObjectAddressSubSet(column, RelationRelationId, RelationGetRelid(relation),
                                set->rules[i].column.number);
            recordDependencyOn(&self, &column, DEPENDENCY_NORMAL);
        }
    });
}

// Compiles the rules as the first row would, so that a mistake ends the step and no application's
// write. True when the trigger fires always already.
bool check_rules(Oid relation_oid) {
    const OpenRelation relation{relation_oid};
    const ::Trigger* const trigger = find_trigger(relation.get());
    List* nodes = NIL;
    Compiled* const set = compile(relation.get(), trigger, &nodes);
    record_dependencies(relation.get(), trigger, set, nodes);
    release(set);
    return trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
}

std::string qualified_name(Oid relation) {
    const auto named = pg::query("SELECT $1::oid::regclass::text", {std::int64_t{relation}});
    return named.front().text(0);
}

// Those of partitions are copies of it, children that inherit have none.
std::string only(Oid relation) {
    return pg::call([&] { return get_rel_relkind(relation); }) == RELKIND_PARTITIONED_TABLE
               ? ""
               : "ONLY ";
}

bool has_sequence(Sign sign, Oid relation) {
    return !pg::query("SELECT 1 WHERE to_regclass('zdm.' || $1) IS NOT NULL",
                      {sign_name(sign, relation)})
                .empty();
}

bool has_trigger(Oid relation) {
    return !pg::query(
                "SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1::oid AND t.tgname = $2",
                {std::int64_t{relation}, std::string{kTriggerName}})
                .empty();
}

void make_evidence(Oid relation) {
    // A restored dump can have left sequences of these names.
    forget(relation);
    const pg::Door door;
    for (const Sign sign : kSigns)
        pg::query(("CREATE SEQUENCE zdm." + sign_name(sign, relation)).c_str());
}

bool has_noted(Sign sign, Oid relation) {
    const pg::Door door;
    return has_sequence(sign, relation);
}

// The value of a sign; nullopt: never noted, or nobody watches.
std::optional<std::int64_t> noted_value(Sign sign, Oid relation) {
    const pg::Door door;
    if (!has_sequence(sign, relation)) return std::nullopt;
    const auto noted = pg::query(
        ("SELECT last_value FROM zdm." + sign_name(sign, relation) + " WHERE is_called").c_str());
    if (noted.empty()) return std::nullopt;
    return noted.front().number(0);
}

}  // namespace

void install(std::uint32_t relation, const std::string& command) {
    make_evidence(relation);
    const pg::PinnedPath pinned;
    pg::query(command.c_str());
    // Else the rows that logical replication or session_replication_role = replica writes are
    // missed.
    if (!check_rules(relation))
        pg::query(("ALTER TABLE " + only(relation) + qualified_name(relation) +
                   " ENABLE ALWAYS TRIGGER " + kTriggerName)
                      .c_str());
}

void install_behind(std::uint32_t relation, const std::string& tail) {
    install(relation, std::string{"CREATE TRIGGER "} + kTriggerName +
                          " BEFORE INSERT OR UPDATE ON " + qualified_name(relation) + tail);
}

void remove(std::uint32_t relation, const std::string& command) {
    if (has_trigger(relation)) {
        const pg::PinnedPath pinned;
        pg::query(command.c_str());
    }
    // After the trigger: whoever holds a lock on the sequence held the table, so nobody is waited
    // for here.
    forget(relation);
}

void remove(std::uint32_t relation) {
    if (has_trigger(relation))
        remove(relation,
               std::string{"DROP TRIGGER "} + kTriggerName + " ON " + qualified_name(relation));
    else
        forget(relation);
}

void adopt(std::uint32_t before, std::uint32_t relation) {
    // What was another's number may be that of a relation here.
    if (!has_trigger(before)) forget(before);
    if (!has_trigger(relation)) return;
    make_evidence(relation);
    const pg::PinnedPath pinned;
    check_rules(relation);
}

void forget(std::uint32_t relation) {
    const pg::Door door;
    for (const Sign sign : kSigns)
        if (has_sequence(sign, relation))
            pg::query(("DROP SEQUENCE zdm." + sign_name(sign, relation)).c_str());
}

bool has_evidence(std::uint32_t relation) { return has_noted(Sign::acted, relation); }

bool has_written_evidence(std::uint32_t relation) { return has_noted(Sign::wrote, relation); }

std::optional<std::int64_t> last_acted(std::uint32_t relation) {
    return noted_value(Sign::acted, relation);
}

std::optional<std::int64_t> last_wrote(std::uint32_t relation) {
    return noted_value(Sign::wrote, relation);
}

std::optional<std::int64_t> differences(std::uint32_t relation) {
    // People look at it through a view, at any time: nothing may go wrong when it is just dropped.
    const std::int64_t rows = pg::call([&] { return value_now(Sign::differs, relation); });
    if (rows < 0) return std::nullopt;
    return rows;
}

}  // namespace zdm::sync
