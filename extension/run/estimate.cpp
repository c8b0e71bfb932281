#include "run/estimate.hpp"

#include <algorithm>
#include <cstdlib>

#include "backfill/estimate.hpp"
#include "backfill/governor.hpp"
#include "backfill/leaves.hpp"
#include "backfill/ripeness.hpp"
#include "catalog/migration.hpp"
#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/planner.hpp"
#include "pressure/standbys.hpp"
#include "run/control.hpp"
#include "run/limits.hpp"
#include "run/options.hpp"
#include "settings.hpp"

#include "pg/postgres.hpp"

namespace zdm::run {

namespace {

// What is locked by others is waited for so long at most.
class ShortWaits {
public:
    ShortWaits() : level_(pg::call([] { return NewGUCNestLevel(); })) {
        pg::call([] {
            const char* const now = GetConfigOption("lock_timeout", false, false);
            const long asked = std::strtol(now, nullptr, 10);
            if (asked > 0 && asked < 5000) return;
            set_config_option("lock_timeout", "5000", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                              true, 0, false);
        });
    }
    ~ShortWaits() { AtEOXact_GUC(false, level_); }
    ShortWaits(const ShortWaits&) = delete;
    ShortWaits& operator=(const ShortWaits&) = delete;

private:
    int level_;
};

void lock_for_reading(std::uint32_t relation) {
    try {
        pg::call([&] { LockRelationOid(relation, AccessShareLock); });
    } catch (const pg::Error& error) {
        if (error.sqlstate != pg::state::kLockNotAvailable) throw;
        throw pg::Error{pg::state::kLockNotAvailable,
                        "ZD313: the table is locked by another transaction",
                        "Somebody holds ACCESS EXCLUSIVE on it, or waits for that.",
                        "Try again when that transaction has ended; pg_locks has it."};
    }
}

void add_once(std::vector<std::string>& texts, const std::string& text) {
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
}

// User triggers that an UPDATE of these columns (quoted) fires.
void read_triggers(const backfill::Leaf& leaf, const std::vector<std::string>& columns,
                   Estimate& estimate, backfill::Surroundings& around) {
    const pg::PinnedPath pinned;
    const auto found = pg::query(
        "SELECT t.tgname, t.tgtype & 1 = 1, t.tgtype & 2 = 2 FROM pg_trigger t"
        " WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgtype & 16 = 16"
        "   AND t.tgenabled IN ('O', 'A') AND t.tgname <> 'zz_zdm_sync'"
        "   AND (t.tgattr = '' OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.tgrelid"
        "        AND a.attnum = ANY (t.tgattr) AND quote_ident(a.attname) = ANY ($2)))"
        " ORDER BY t.tgname",
        {std::int64_t{leaf.relation}, columns});
    for (const auto& row : found.rows) {
        add_once(estimate.triggers, row.text(0));
        if (row.flag(1)) ++around.row_triggers;
        if (row.flag(1) && row.flag(2)) around.triggers_before = true;
    }
    if (around.triggers_before)
        add_once(
            estimate.notes,
            "A trigger may change the rows before they are written: growth and moves may be more.");
}

// Who keeps row versions from being pruned, if that lasts for a while already.
std::optional<std::string> old_snapshot() {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT who FROM"
        " (SELECT 'pid ' || pid || coalesce(' (' || nullif(application_name, '') || ')', '')"
        "         || ', in a transaction for '"
        "         || extract(epoch FROM clock_timestamp() - xact_start)::bigint || ' s',"
        "         age(coalesce(backend_xmin, backend_xid))"
        "    FROM pg_stat_activity"
        "   WHERE pid <> pg_backend_pid() AND (datname IS NULL OR datname = current_database())"
        "     AND clock_timestamp() - xact_start > '5 s'"
        "  UNION ALL SELECT 'prepared transaction ' || gid,"
        "         age(transaction)"
        "    FROM pg_prepared_xacts WHERE database = current_database()"
        "  UNION ALL SELECT 'replication slot ' || slot_name, age(xmin)"
        "    FROM pg_replication_slots WHERE age(xmin) > 10000) holder(who, age)"
        " WHERE age IS NOT NULL ORDER BY age DESC LIMIT 1");
    if (found.empty()) return std::nullopt;
    return found.front().text(0);
}

// Whether standbys leave page rounds no time; it says so.
bool standbys_forbid_rounds(std::chrono::milliseconds grace, Estimate& estimate) {
    backfill::Unheard unheard;
    unheard.look(pressure::standbys_heard(), 0);
    if (backfill::pruning_beside(unheard.any(), grace.count()) != backfill::Pruning::too_late)
        return false;
    add_once(estimate.notes, "Standby " + unheard.name() +
                                 " gives no hot_standby_feedback: old row versions are kept for it "
                                 "(standby_grace), so rows move as a plain UPDATE moves them.");
    return true;
}

void read_server(const backfill::Leaf& leaf, backfill::Surroundings& around) {
    const pg::PinnedPath pinned;
    const auto found = pg::query(
        "SELECT current_setting('full_page_writes') = 'on',"
        "       current_setting('data_checksums') = 'on' OR current_setting('wal_log_hints') = "
        "'on',"
        "       current_setting('wal_level') = 'logical',"
        "       (SELECT setting FROM pg_settings WHERE name = 'checkpoint_timeout'),"
        "       pg_size_bytes(current_setting('max_wal_size')),"
        "       coalesce((SELECT o.option_value FROM pg_class c, pg_options_to_table(c.reloptions) "
        "o"
        "                  WHERE c.oid = $1::oid AND o.option_name = 'fillfactor'), '100')",
        {std::int64_t{leaf.relation}});
    const auto& row = found.front();
    around.full_page_writes = row.flag(0);
    around.hints_logged = row.flag(1);
    around.logical = row.flag(2);
    around.checkpoint_seconds = row.real(3);
    around.max_wal_bytes = row.real(4);
    around.fillfactor = static_cast<int>(row.number(5));
}

std::string megabytes(double bytes) {
    return std::to_string(static_cast<std::int64_t>(bytes / 1048576 + 1)) + " MB";
}

// What was asked for, of all leaves.
struct Asked {
    backfill::Task task;
    std::vector<backfill::Assigned> assigned;
    std::vector<std::string> columns;
    backfill::Options options;
};

// What some leaf has.
struct Found {
    bool looked = false;
    bool indexed = false;
    bool rounds = false;
};

void add_notes(const plan::Plan& plan, const Found& found, Estimate& estimate) {
    const auto& forecast = estimate.forecast;
    for (const auto& name : catalog::live_owners(plan.relations, 0))
        estimate.notes.push_back(
            "Migration \"" + name +
            "\" is live on this table: zdm_backfill would be refused (ZD305).");
    if (found.indexed)
        estimate.notes.push_back(
            "An index has a column that is set: each row goes into every index again.");
    if (estimate.horizon)
        estimate.notes.push_back(*estimate.horizon +
                                 ": until that ends, room in the table can't be used again.");
    else if (found.rounds && forecast.table_growth_held > 1.5 * forecast.table_growth.high)
        estimate.notes.push_back(
            "A transaction that stays open while the backfill runs keeps room from being used "
            "again: the table may then grow by up to " +
            megabytes(forecast.table_growth_held) + ".");
    estimate.notes.push_back(
        "Time is told from how fast the sample was read at this moment, and from changes as small "
        "machines make them; waiting for locks and standbys comes on top.");
}

const plan::Step& backfill_of(const plan::Plan& plan) {
    const auto step = std::find_if(plan.steps.begin(), plan.steps.end(), [](const plan::Step& s) {
        return s.kind == plan::StepKind::backfill;
    });
    if (step == plan.steps.end())
        throw pg::Error{pg::state::kInternal, "ZD999: the plan of a backfill has no backfill"};
    return *step;
}

Asked what_is_asked(std::uint32_t relation, const plan::Step& step,
                    const std::map<std::string, std::string>& options) {
    Asked asked;
    asked.task.relation = relation;
    asked.task.name = step.relation;
    asked.task.set_clause = step.parameters.at("set");
    asked.task.predicate = step.parameters.at("predicate");
    asked.task.tree = step.parameters.count("tree") != 0;
    if (asked.task.predicate.empty()) asked.task.predicate = "true";
    for (const auto& [column, expression] : step.assignments) {
        asked.assigned.push_back({column, expression});
        asked.columns.push_back(column);
    }
    backfill::Options defaults;
    defaults.workers = settings::workers();
    defaults.standby_grace = settings::standby_grace();
    asked.options = apply_options(options, defaults);
    return asked;
}

backfill::Surroundings look_around(const Asked& asked, const backfill::Leaf& leaf,
                                   const backfill::Look& look, Estimate& estimate) {
    const backfill::Options& wanted = asked.options;
    backfill::Surroundings around;
    around.rounds = look.rounds;
    around.old_horizon = estimate.horizon.has_value();
    around.page_ms = look.page_ms;
    if (wanted.fire_triggers) read_triggers(leaf, asked.columns, estimate, around);
    if (look.rounds && standbys_forbid_rounds(wanted.standby_grace, estimate))
        around.rounds = false;
    read_server(leaf, around);
    around.least_duty = wanted.duty > 0 ? wanted.duty : backfill::Governor::kLeast;
    around.most_duty = wanted.duty > 0 ? wanted.duty : 1;
    around.workers = wanted.workers;
    around.max_rate = wanted.max_rate * wanted.workers;
    around.max_wal_rate = wanted.max_wal_rate * wanted.workers;
    return around;
}

// Its locks are given back at once: thousands of leaves would fill the table of locks.
void add_leaf(const Asked& asked, const backfill::Leaf& leaf, Estimate& estimate, Found& found) {
    const pg::Subtransaction passing;
    lock_for_reading(leaf.relation);
    const backfill::Look look = backfill::look_at(asked.task, leaf, asked.assigned);
    estimate.pages += look.pages;
    estimate.pages_sampled += static_cast<std::int64_t>(look.sample.size());
    estimate.indexes = std::max(estimate.indexes, static_cast<int>(look.indexes.size()));
    for (const auto& note : look.notes) add_once(estimate.notes, note);
    const auto around = look_around(asked, leaf, look, estimate);
    backfill::add(estimate.forecast, backfill::forecast(look.sample, look.pages, look.rows,
                                                        look.change, look.indexes, around));
    std::optional<bool> hot;
    if (look.indexed)
        hot = false;
    else if (!around.triggers_before)
        hot = true;
    if (!found.looked)
        estimate.hot = hot;
    else if (estimate.hot != hot)
        estimate.hot.reset();
    found.looked = true;
    found.indexed = found.indexed || look.indexed;
    found.rounds = found.rounds || around.rounds;
}

}  // namespace

Estimate estimate(std::uint32_t relation, const std::string& set_clause,
                  const std::optional<std::string>& where_clause,
                  const std::map<std::string, std::string>& options) {
    for (const auto& [option, value] : options) require_option(option, value);
    const ShortWaits waits;
    lock_for_reading(relation);
    const plan::Plan plan = plan::make_backfill_plan(relation, set_clause, where_clause);
    const Asked asked = what_is_asked(relation, backfill_of(plan), options);
    Estimate estimate;
    estimate.relation = asked.task.name;
    estimate.horizon = old_snapshot();
    Found found;
    for (const auto& listed : backfill::list_leaves(asked.task))
        add_leaf(asked, listed.leaf, estimate, found);
    add_notes(plan, found, estimate);
    return estimate;
}

}  // namespace zdm::run
