#include "run/locks.hpp"

#include <algorithm>
#include <chrono>

#include "pg/door.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/backoff.hpp"
#include "run/session.hpp"
#include "settings.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "common/pg_prng.h"
}

namespace zdm::run {

namespace {

// Who holds what on the relation, other than this process. Through the door: the owner of the
// migration could not see other roles' transactions. Query texts only where he may.
std::vector<Holder> holders_of(const std::string& relation, std::uint32_t owner) {
    constexpr auto kHolders =
        "SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''),"
        "       CASE WHEN pg_has_role($2::oid, a.usesysid, 'USAGE')"
        "              OR pg_has_role($2::oid, 'pg_read_all_stats', 'USAGE')"
        "            THEN left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200) END,"
        "       coalesce(a.state, ''), l.mode,"
        // A prepared transaction has no process; the lock on its own number tells which it is.
        "       extract(epoch FROM clock_timestamp() - CASE WHEN l.pid IS NOT NULL THEN "
        "a.xact_start"
        "           ELSE (SELECT min(p.prepared) FROM pg_locks x"
        "                   JOIN pg_prepared_xacts p ON p.transaction = x.transactionid"
        "                  WHERE x.locktype = 'transactionid' AND x.pid IS NULL"
        "                    AND x.virtualtransaction = l.virtualtransaction) END"
        "       )::float8 * 1000,"
        "       coalesce(a.backend_type, '') = 'autovacuum worker'"
        "  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'relation' AND l.granted AND l.relation = to_regclass($1)::oid"
        "   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        "   AND l.pid IS DISTINCT FROM pg_backend_pid() ORDER BY a.xact_start";
    const pg::Door door;
    std::vector<Holder> holders;
    for (const auto& row : pg::query(kHolders, {relation, static_cast<std::int64_t>(owner)}).rows) {
        Holder holder;
        holder.pid = static_cast<int>(row.number(0));
        holder.application = row.text(1);
        holder.role = row.text(2);
        holder.query = row.text(3);
        holder.state = row.text(4);
        holder.mode = lock_mode_of_server(row.text(5));
        holder.age_ms = row.real(6);
        holder.autovacuum = row.flag(7);
        holder.relation = relation;
        holders.push_back(holder);
    }
    return holders;
}

// Whoever makes an attempt at one of the locks vain, in words.
std::optional<std::string> holder_of(const std::vector<plan::LockNeed>& locks, std::uint32_t owner,
                                     double deadline_ms) {
    pg::Transaction transaction;
    std::optional<std::string> said;
    for (const auto& need : locks) {
        const auto holders = holders_of(need.relation, owner);
        if (const Holder* holder = hopeless(holders, need.mode, deadline_ms)) {
            said = describe(*holder);
            break;
        }
    }
    transaction.commit();
    return said;
}

// Whoever is in the way of the step, in words; nullopt when an attempt may succeed.
std::optional<std::string> in_the_way(const plan::Step& step, std::uint32_t owner,
                                      double deadline_ms) {
    const auto holder = holder_of(step.locks, owner, deadline_ms);
    if (!holder) return std::nullopt;
    return "waiting for a lock: " + *holder;
}

[[noreturn]] void not_available(const std::string& relation) {
    throw pg::Error{pg::state::kLockNotAvailable,
                    "could not obtain a lock on " + relation + " within the deadline"};
}

// OID of a relation by its quoted, qualified name; 0 when there is none.
std::uint32_t oid_of(const std::string& relation) {
    const auto found = pg::query("SELECT to_regclass($1)::oid", {relation});
    return static_cast<std::uint32_t>(found.front().number(0));
}

// A partition that has left its table since the plan was made: what changes the table concerns it
// no more.
bool may_be_gone(const plan::Step& step, const std::string& relation) {
    const auto found = step.parameters.find("partitions");
    return found != step.parameters.end() &&
           ("\n" + found->second + "\n").find("\n" + relation + "\n") != std::string::npos;
}

// Takes all locks of the step: waits at most the deadline, once, for the first; not at all for
// others, but where applications take the same ones in the same order: for all together.
void take_locks(const plan::Step& step, std::chrono::milliseconds deadline, bool undoing) {
    const std::string ms = std::to_string(deadline.count());
    set_local("lock_timeout", ms);
    // Autovacuum yields when the waiter's deadlock_timeout fires: well before the deadline.
    set_local("deadlock_timeout",
              std::to_string(std::max<long>(1, static_cast<long>(deadline.count()) / 4)));
    const auto began = std::chrono::steady_clock::now();
    const auto left = [&] {
        const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - began);
        return std::to_string(std::max<long>(1, static_cast<long>((deadline - spent).count())));
    };
    const auto wait = step.parameters.find("wait");
    const bool patient = wait != step.parameters.end() && wait->second == "all";
    bool first = true;
    for (const auto& need : step.locks) {
        const Oid relation = oid_of(need.relation);
        if (relation == InvalidOid) {
            // What hung on a table that somebody dropped, a foreign key to it say, went with it.
            if (undoing && need.relation != step.relation) continue;
            if (may_be_gone(step, need.relation)) continue;
            throw pg::Error{
                pg::state::kUndefinedTable, "ZD204: " + need.relation + " is gone",
                "Somebody dropped or renamed it while the migration was under way.",
                "Bring it back under that name and call zdm_resume, or call zdm_rollback."};
        }
        const auto mode = static_cast<LOCKMODE>(need.mode);
        if (patient && !first) set_local("lock_timeout", left());
        if (first || patient)
            pg::call([&] { LockRelationOid(relation, mode); });
        else if (!pg::call([&] { return ConditionalLockRelationOid(relation, mode); }))
            not_available(need.relation);
        first = false;
    }
    // What the statements lock beside these must not make them wait as long again.
    if (!first) set_local("lock_timeout", left());
}

// A rollback that is under way was told to go back no further; as of the last look.
bool is_to_be_left(const Context& context) { return context.undoing() && context.migration().keep; }

// Whoever pauses the migration or takes it back from here on waits until this transaction ends, and
// then sees whether the step happened; false when somebody is about to do so. An INSERT has no
// undo, and may be cancelled in the middle.
bool hold(Context& context, const plan::Step& step) {
    const bool held =
        step.kind == plan::StepKind::insert || catalog::hold_migration(context.migration().id);
    if (held) stop_if_told(context);
    return held;
}

enum class Attempt { done, busy, caller_decides };

Attempt attempt_once(Context& context, const plan::Step& step,
                     [[maybe_unused]] const std::string& name, const std::function<void()>& body) {
    try {
        pg::Transaction transaction;
        // Before the locks of applications, which nobody should hold for longer than need be.
        if (!hold(context, step)) return Attempt::caller_decides;
        take_locks(step, settings::lock_timeout(), context.undoing());
        check_relation(step);
        body();
        ZDM_FAULT(name + ":before_commit");
        transaction.commit();
        return Attempt::done;
    } catch (const pg::Error& error) {
        if (error.sqlstate != pg::state::kLockNotAvailable &&
            error.sqlstate != pg::state::kDeadlock)
            throw;
        return Attempt::busy;
    }
}

}  // namespace

void stop_if_told(Context& context) {
    if (context.told_to_stop() || is_to_be_left(context)) throw Stopped{};
}

void stop_if_asked(Context& context) {
    context.stop_if_asked();
    if (is_to_be_left(context)) throw Stopped{};
}

std::optional<std::string> older_writer(const std::vector<std::string>& relations,
                                        std::uint32_t owner, double ms) {
    std::vector<plan::LockNeed> locks;
    for (const auto& relation : relations) locks.push_back({relation, plan::LockMode::share});
    return holder_of(locks, owner, ms);
}

plan::Step with_exclusive_locks(plan::Step step) {
    if (step.locks.empty() && !step.relation.empty())
        step.locks.push_back({step.relation, plan::LockMode::access_exclusive});
    for (auto& need : step.locks) need.mode = plan::LockMode::access_exclusive;
    return step;
}

bool relation_exists(const plan::Step& step) {
    if (step.relation_oid == 0) return oid_of(step.relation) != 0;
    return !pg::query("SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = $1::oid",
                      {static_cast<std::int64_t>(step.relation_oid)})
                .empty();
}

void check_relation(const plan::Step& step) {
    if (step.relation_oid == 0) return;
    const auto now = pg::query(
        "SELECT c.oid::regclass::text, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = $1::oid",
        {static_cast<std::int64_t>(step.relation_oid)});
    if (now.empty())
        throw pg::Error{pg::state::kUndefinedTable, "ZD204: table " + step.relation + " is gone",
                        "Somebody dropped it while the migration was under way.",
                        "Call zdm_rollback: what is left of the migration is taken back."};
    if (oid_of(step.relation) != step.relation_oid)
        throw pg::Error{pg::state::kUndefinedTable,
                        "ZD204: table " + step.relation + " is now " + now.front().text(0),
                        "Somebody renamed it while the migration was under way.",
                        "Give it its name back, then call zdm_resume or zdm_rollback."};
    const Oid relation = step.relation_oid;
    if (!pg::call([&] { return pg::compat::owns_relation(relation, GetUserId()); }))
        throw pg::Error{pg::state::kInsufficientPrivilege,
                        "ZD107: must be owner of " + step.relation,
                        "The owner of the migration no longer owns the table.",
                        "Give it back to the migration's owner, then call zdm_resume."};
}

void under_locks(Context& context, const plan::Step& step, const std::string& name,
                 const std::function<void()>& body) {
    const auto deadline_ms = static_cast<double>(settings::lock_timeout().count());
    const std::uint32_t owner = context.migration().owner;
    for (int attempt = 0;; ++attempt) {
        stop_if_asked(context);
        auto reason = in_the_way(step, owner, deadline_ms);
        const Attempt result = reason ? Attempt::busy : attempt_once(context, step, name, body);
        if (result == Attempt::done) {
            context.show_waiting(std::nullopt);
            return;
        }
        // What a caller has locked can't be written to; his word comes at the end of his
        // transaction.
        if (result == Attempt::busy) {
            if (!reason) reason = in_the_way(step, owner, 0);
            if (!reason) reason = "waiting for a lock on " + step.relation + ": it was busy";
            context.show_waiting(reason);
        }
        const double random = pg_prng_double(&pg_global_prng_state);
        context.sleep(backoff(attempt, random), {});
    }
}

}  // namespace zdm::run
