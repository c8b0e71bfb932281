#include "plan/ask.hpp"
#include "plan/replay.hpp"

#include <algorithm>
#include <map>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "tcop/dest.h"
#include "tcop/utility.h"
}

namespace zdm::plan {

namespace {

constexpr LOCKMODE kStrongest = AccessExclusiveLock;

LOCKTAG tag_of(Oid relation) {
    LOCKTAG tag;
    SET_LOCKTAG_RELATION(tag, MyDatabaseId, relation);
    return tag;
}

// Nobody else can see a clone, so its locks protect nothing. Without them the next statement's own
// locks can be seen.
void forget_locks(Oid relation) {
    const LOCKTAG tag = tag_of(relation);
    for (LOCKMODE mode = kStrongest; mode > NoLock; --mode)
        while (pg::compat::holds_lock(&tag, mode))
            if (!LockRelease(&tag, mode, false)) return;
}

LockMode strongest_lock(Oid relation) {
    const LOCKTAG tag = tag_of(relation);
    for (LOCKMODE mode = kStrongest; mode > NoLock; --mode)
        if (pg::compat::holds_lock(&tag, mode)) return static_cast<LockMode>(mode);
    return LockMode::none;
}

void note_lock(Seen& seen, std::size_t table, bool leaf, LockMode mode) {
    auto held = std::find_if(seen.locks.begin(), seen.locks.end(),
                             [&](const TableLock& lock) { return lock.table == table; });
    if (held == seen.locks.end()) held = seen.locks.insert(held, TableLock{table});
    (leaf ? held->partitions : held->mode) = mode;
}

}  // namespace

void run_utility(Node* statement, const std::string& source) {
    const char* const text = source.c_str();
    pg::call([&] {
        PlannedStmt* const wrapper = makeNode(PlannedStmt);
        wrapper->commandType = CMD_UTILITY;
        wrapper->canSetTag = false;
        wrapper->utilityStmt = statement;
        wrapper->stmt_location = -1;
        // As a part of a larger command: event triggers and logs are for the real run.
        ProcessUtility(wrapper, text, false, PROCESS_UTILITY_SUBCOMMAND, nullptr, nullptr,
                       None_Receiver, nullptr);
        CommandCounterIncrement();
    });
}

Node* parse_own(const std::string& sql) {
    const char* const text = sql.c_str();
    return pg::call([&] {
        List* const trees = raw_parser(text, RAW_PARSE_DEFAULT);
        if (list_length(trees) != 1) elog(ERROR, "not one statement: %s", text);
        return static_cast<RawStmt*>(linitial(trees))->stmt;
    });
}

void run_own(const std::string& sql) { run_utility(parse_own(sql), sql); }

std::string clone_name(const Relation& relation) {
    return "pg_temp." + pg::quote_ident(relation.clone_name);
}

void alter_clone(const Relation& relation, const std::string& command) {
    run_own("ALTER TABLE " + clone_name(relation) + " " + command);
}

Watch::Watch(const Clones& clones, bool locks) : clones_(clones), before_(states()) {
    if (!locks) return;
    for (const auto& state : before_) {
        const Oid relation = state.clone;
        pg::call([&] { forget_locks(relation); });
    }
}

std::vector<Watch::State> Watch::states() const {
    std::vector<std::string> oids;
    std::map<std::uint32_t, State> known;
    const auto know = [&](std::uint32_t clone, std::size_t table, bool leaf) {
        if (clone == 0) return;
        oids.push_back(std::to_string(clone));
        known[clone] = {clone, table, leaf, {}, 0};
    };
    for (std::size_t i = 0; i < clones_.size(); ++i) {
        know(clones_.relation(i).clone, i, false);
        know(clones_.relation(i).leaf_clone, i, true);
    }
    std::vector<State> states;
    const auto rows =
        ask("SELECT c.oid, c.relfilenode, pg_catalog.pg_stat_get_xact_numscans(c.oid)"
            " FROM pg_catalog.pg_class c"
            " WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::text[]::oid[])",
            {oids});
    for (const auto& row : rows.rows) {
        State state = known.at(static_cast<std::uint32_t>(row.number(0)));
        state.file = row.text(1);
        state.scans = row.number(2);
        states.push_back(std::move(state));
    }
    return states;
}

Seen Watch::seen() const {
    Seen seen;
    // Locks first: reading the catalogs about a clone must not count.
    for (const auto& state : before_) {
        const Oid relation = state.clone;
        const LockMode mode = pg::call([&] { return strongest_lock(relation); });
        if (mode != LockMode::none) note_lock(seen, state.table, state.leaf, mode);
    }
    for (const auto& after : states()) {
        const auto before = std::find_if(before_.begin(), before_.end(), [&](const State& state) {
            return state.clone == after.clone;
        });
        if (before == before_.end()) continue;
        seen.scans = seen.scans || after.scans > before->scans;
        seen.rewrites = seen.rewrites || after.file != before->file;
    }
    return seen;
}

}  // namespace zdm::plan
