// The index of a partitioned table: attaching those of its partitions, and the proof that it is
// valid at the end; a key or foreign key of all of them. Partitions come and go meanwhile; the
// catalogs say how each stands now.
#include <map>
#include <sstream>

#include "catalog/migration.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/locks.hpp"
#include "run/session.hpp"
#include "run/steps.hpp"

#include "pg/bridge.hpp"
#include "pg/postgres.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/index.h"
#include "storage/lmgr.h"
}

namespace zdm::run::steps {

using catalog::StepState;
using catalog::StoredStep;

namespace {

std::uint32_t oid_of(const std::string& relation) {
    const auto found = pg::query("SELECT pg_catalog.to_regclass($1)::oid", {relation});
    return static_cast<std::uint32_t>(found.front().number(0));
}

// Whether it has an index that is attached to one, over however many levels.
bool has_index_of(std::uint32_t partition, const std::string& index) {
    return pg::query(
               "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid"
               " AND pg_catalog.to_regclass($2)::oid IN"
               "  (SELECT pg_catalog.pg_partition_ancestors(i.indexrelid)))",
               {static_cast<std::int64_t>(partition), index})
        .front()
        .flag(0);
}

[[noreturn]] void not_whole(const std::string& root, const std::string& why) {
    throw pg::Error{pg::state::kNotInPrerequisiteState, "ZD203: index " + root + " is not valid",
                    why,
                    "Build an index of that partition, ALTER INDEX " + root +
                        " ATTACH PARTITION ...; then call zdm_resume; or call zdm_rollback."};
}

// A partition that lacks an index attached to `index`, which is on `table`; foreign tables can have
// none.
constexpr auto kLacking =
    "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_inherits h"
    " JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid AND c.relkind <> 'f'"
    " WHERE h.inhparent = $1::oid AND NOT h.inhdetachpending AND NOT EXISTS (SELECT"
    "  FROM pg_catalog.pg_inherits a JOIN pg_catalog.pg_index i ON i.indexrelid = a.inhrelid"
    "  WHERE a.inhparent = $2::oid AND i.indrelid = c.oid AND i.indisvalid) ORDER BY c.oid LIMIT 1";

// All below the table $1, and itself.
#define ZDM_TREE                                                                            \
    "WITH RECURSIVE tree(oid, kind) AS (SELECT c.oid, c.relkind FROM pg_catalog.pg_class c" \
    "  WHERE c.oid = $1::oid UNION ALL SELECT c.oid, c.relkind FROM tree t"                 \
    "  JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid AND NOT i.inhdetachpending"     \
    "  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid)"

// A leaf without a valid foreign key of the name.
constexpr auto kUnproven = ZDM_TREE
    " SELECT t.oid::pg_catalog.regclass::text FROM tree t WHERE t.kind <> 'p' AND NOT EXISTS"
    "  (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'f'"
    "   AND k.convalidated AND pg_catalog.quote_ident(k.conname) = $2) ORDER BY t.oid LIMIT 1";

// A leaf with rows and without a key of the type over the columns, in their order.
constexpr auto kWithoutKey = ZDM_TREE
    " SELECT t.oid::pg_catalog.regclass::text FROM tree t WHERE t.kind <> 'p' AND NOT EXISTS"
    "  (SELECT FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_index i"
    "    ON i.indexrelid = k.conindid AND i.indisvalid"
    "   WHERE k.conrelid = t.oid AND k.contype::text = $3 AND $2 ="
    "    (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY c.n)"
    "     FROM unnest(k.conkey) WITH ORDINALITY AS c(attnum, n)"
    "     JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.attnum))"
    " AND pg_catalog.pg_relation_size(t.oid) > 0 ORDER BY t.oid LIMIT 1";

// Leaves without a primary key, and the index over the columns $2 of which one can be made.
constexpr auto kKeyless = ZDM_TREE
    " SELECT t.oid::pg_catalog.regclass::text, pg_catalog.quote_ident(x.relname),"
    " pg_catalog.pg_relation_size(t.oid) > 0 FROM tree t"
    " LEFT JOIN LATERAL (SELECT c.relname FROM pg_catalog.pg_index i"
    "  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition"
    "  JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'"
    "  WHERE i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indimmediate"
    "  AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS"
    "   (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid"
    "    AND k.contype IN ('p', 'u', 'x'))"
    "  AND $2 = (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY n.n)"
    "   FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS n(n)"
    "   JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[n.n])"
    "  ORDER BY c.oid LIMIT 1) x ON true"
    " WHERE t.kind = 'r' AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k"
    "  WHERE k.conrelid = t.oid AND k.contype = 'p') ORDER BY t.oid";

#undef ZDM_TREE

// Those that are not valid, the lowest first.
constexpr auto kNotValid =
    "SELECT i.indexrelid, i.indrelid FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass) t"
    " JOIN pg_catalog.pg_index i ON i.indexrelid = t.relid WHERE NOT i.indisvalid"
    " ORDER BY t.level DESC, i.indexrelid";

// The server looks whether an index has become valid only where one is attached. Where the last
// that lacked one was detached instead, or is a foreign table, nobody has looked.
void make_valid(const std::string& root, std::uint32_t index, std::uint32_t table) {
    // Nobody attaches or detaches meanwhile.
    pg::call([&] { LockRelationOid(table, ShareUpdateExclusiveLock); });
    const auto lacking =
        pg::query(kLacking, {static_cast<std::int64_t>(table), static_cast<std::int64_t>(index)});
    if (!lacking.empty())
        not_whole(root, "Partition " + lacking.front().text(0) + " has no valid index of it.");
    pg::call([&] {
        index_set_state_flags(index, INDEX_CREATE_SET_VALID);
        CommandCounterIncrement();
    });
}

void require_key(const StoredStep& stored) {
    const auto key = stored.step.parameters.find("proven_key");
    if (key == stored.step.parameters.end()) return;
    const std::string& type = stored.step.parameters.at("key_type");
    const auto lacking = pg::query(
        kWithoutKey, {static_cast<std::int64_t>(stored.step.relation_oid), key->second, type});
    if (lacking.empty()) return;
    const std::string& partition = lacking.front().text(0);
    const std::string what = type == "p" ? "PRIMARY KEY" : "UNIQUE";
    throw pg::Error{
        pg::state::kNotInPrerequisiteState,
        "ZD203: partition " + partition + " has no " + what + " (" + key->second + ")",
        "It came when the migration was under way; the server would build its index under a lock "
        "that blocks writes.",
        "CREATE UNIQUE INDEX CONCURRENTLY on it, and ALTER TABLE " + partition +
            " ADD CONSTRAINT ... " + what + " USING INDEX; then call zdm_resume, or zdm_rollback."};
}

// The table is about to get its primary key, and takes over those of its leaves. Leaves that came
// when the migration was under way have none yet: one is made of an index that somebody has built.
void take_keys(const StoredStep& stored) {
    const std::string& key = stored.step.parameters.at("key");
    const std::string& outside = stored.step.parameters.at("key_outside");
    const auto keyless =
        pg::query(kKeyless, {static_cast<std::int64_t>(stored.step.relation_oid), key});
    for (const auto& leaf : keyless.rows) {
        const std::string& name = leaf.text(0);
        if (!leaf.is_null(1)) {
            run_statements("ALTER TABLE " + name + " ADD PRIMARY KEY USING INDEX " + leaf.text(1) +
                           ";");
        } else if (leaf.flag(2)) {
            throw pg::Error{
                pg::state::kNotInPrerequisiteState,
                "ZD203: partition " + name + " has no unique index over (" + outside + ")",
                "It came when the migration was under way; the server would build the index of its "
                "primary key under a lock that blocks writes.",
                "CREATE UNIQUE INDEX CONCURRENTLY ON " + name + " (" + outside +
                    "); then call zdm_resume, or zdm_rollback."};
        }
    }
}

// Partitions by the numbers of the statements that are about them alone.
std::map<int, std::string> partitions_in(const StoredStep& stored) {
    std::map<int, std::string> partitions;
    const auto about = stored.step.parameters.find("about");
    if (about == stored.step.parameters.end()) return partitions;
    std::istringstream lines{about->second};
    std::string line;
    while (std::getline(lines, line)) {
        const auto space = line.find(' ');
        partitions[std::stoi(line.substr(0, space))] = line.substr(space + 1);
    }
    return partitions;
}

}  // namespace

bool is_below(std::uint32_t relation, const std::string& table) {
    return pg::query(
               "WITH RECURSIVE above(oid) AS (SELECT i.inhparent FROM pg_catalog.pg_inherits i"
               "  WHERE i.inhrelid = $1::oid AND NOT i.inhdetachpending"
               " UNION SELECT i.inhparent FROM above a JOIN pg_catalog.pg_inherits i"
               "  ON i.inhrelid = a.oid AND NOT i.inhdetachpending)"
               " SELECT EXISTS (SELECT FROM above WHERE oid = pg_catalog.to_regclass($2)::oid)",
               {static_cast<std::int64_t>(relation), table})
        .front()
        .flag(0);
}

void run_script(const StoredStep& stored, const std::string& sql) {
    const auto& parameters = stored.step.parameters;
    const auto about = partitions_in(stored);
    const auto key = parameters.find("key_at");
    const int key_at = key == parameters.end() ? 0 : std::stoi(key->second);
    run_statements(sql, [&](int number) {
        if (number == key_at) take_keys(stored);
        const auto found = about.find(number);
        return found == about.end() || is_below(oid_of(found->second), stored.step.relation);
    });
}

void require_proven(const StoredStep& stored) {
    require_key(stored);
    const auto proven = stored.step.parameters.find("proven");
    if (proven == stored.step.parameters.end()) return;
    const auto lacking =
        pg::query(kUnproven, {static_cast<std::int64_t>(stored.step.relation_oid), proven->second});
    if (lacking.empty()) return;
    const std::string& partition = lacking.front().text(0);
    throw pg::Error{pg::state::kNotInPrerequisiteState,
                    "ZD203: partition " + partition + " has no valid constraint " + proven->second,
                    "It came when the migration was under way; the server would scan it under a "
                    "lock that blocks writes.",
                    "Add the same constraint to " + partition +
                        ", NOT VALID, and VALIDATE it; then call zdm_resume, or zdm_rollback."};
}

// In a transaction of the caller.
Standing standing_of(const StoredStep& stored) {
    const auto& parameters = stored.step.parameters;
    if (parameters.count("may_be_gone") != 0)
        return relation_exists(stored.step) ? Standing::open : Standing::gone;
    const auto table = parameters.find("table");
    if (table == parameters.end()) return Standing::open;
    if (!is_below(stored.step.relation_oid, table->second)) return Standing::left;
    const auto root = parameters.find("root");
    if (root == parameters.end()) return Standing::open;
    return has_index_of(stored.step.relation_oid, root->second) ? Standing::attached
                                                                : Standing::open;
}

void run_attach(Context& context, const StoredStep& stored) {
    under_locks(context, stored.step, fault_name(context, stored), [&] {
        // Who detached it had it locked, and then we have waited.
        if (standing_of(stored) == Standing::open) run_statements(stored.step.command);
        set_mark(context, stored, StepState::done);
    });
}

void run_whole_index(Context& context, const StoredStep& stored) {
    const std::string& root = stored.step.parameters.at("root");
    under_locks(context, stored.step, fault_name(context, stored), [&] {
        if (pg::query("SELECT pg_catalog.to_regclass($1)", {root}).front().is_null(0))
            throw pg::Error{pg::state::kUndefinedObject, "ZD203: index " + root + " is gone",
                            "Somebody dropped or renamed it while the migration was under way.",
                            "Call zdm_rollback, and start again."};
        for (const auto& row : pg::query(kNotValid, {root}).rows)
            make_valid(root, static_cast<std::uint32_t>(row.number(0)),
                       static_cast<std::uint32_t>(row.number(1)));
        set_mark(context, stored, StepState::done);
    });
}

}  // namespace zdm::run::steps
