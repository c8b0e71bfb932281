#include "run/verify.hpp"

#include <algorithm>

#include "backfill/statements.hpp"
#include "backfill/table.hpp"
#include "catalog/migration.hpp"
#include "pg/arguments.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "run/control.hpp"
#include "run/locks.hpp"
#include "run/machine.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

namespace zdm::run {

namespace {

using catalog::Migration;
using catalog::StoredStep;

[[noreturn]] void refuse(const Migration& m, const std::string& why, const std::string& hint) {
    throw pg::Error{pg::state::kNotInPrerequisiteState,
                    "ZD303: cannot verify migration \"" + m.name + "\"", why, hint};
}

void require_both_sides(const Migration& m, const std::vector<StoredStep>& steps) {
    const std::string name = pg::quote_literal(m.name);
    const State state = m.state == State::failed ? m.failed_state.value_or(State::failed) : m.state;
    const std::string is = "It is in state " + std::string{catalog::to_text(m.state)} + ".";
    if (state == State::planned || state == State::expanding || state == State::expanded ||
        state == State::migrating)
        refuse(m, is + " Rows are not filled yet.",
               "Wait until it is ready: CALL zdm_wait(" + name + ").");
    if (state == State::done || state == State::rolled_back || state == State::rolling_back)
        refuse(m, is, "Old and new columns are compared from ready on, until one of them goes.");
    std::vector<StepView> views;
    for (const auto& stored : steps)
        views.push_back({stored.step.phase, stored.state, stored.step.removal});
    if (removal_begun(views))
        refuse(m, is + " Its first removal has begun.", "Let it go on: zdm_resume(" + name + ").");
}

// The rows are found by their places first: of many that differ only some are shown.
std::string text_of(const StoredStep& stored, const VerifyRange& range, const std::string& key) {
    const auto& parameters = stored.step.parameters;
    const std::string table =
        "ONLY " + stored.step.relation + " AS " + backfill::own_name(stored.step.relation);
    const auto place = [](std::int64_t page) {
        return "'(" + std::to_string(page) + ",0)'::pg_catalog.tid";
    };
    std::string where = "ctid OPERATOR(pg_catalog.>=) " + place(range.first_page);
    if (range.pages)
        where += " AND ctid OPERATOR(pg_catalog.<) " + place(range.first_page + *range.pages);
    // CASE keeps the planner from reading an index instead.
    return "WITH zdm_differing AS MATERIALIZED (SELECT ctid AS place FROM " + table + " WHERE " +
           where + " AND CASE WHEN " + parameters.at("differs") +
           " THEN true ELSE false END)"
           " SELECT (SELECT pg_catalog.count(*) FROM zdm_differing), ctid::pg_catalog.text, " +
           (key.empty() ? "''" : key) + ", " + parameters.at("show_old") + ", " +
           parameters.at("show_new") + " FROM " + table +
           " WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT place FROM zdm_differing LIMIT " +
           std::to_string(range.examples) + ")) ORDER BY ctid";
}

void look(const StoredStep& stored, const VerifyRange& range, std::vector<Differing>& found) {
    check_relation(stored.step);
    Differing table;
    table.relation = stored.step.relation;
    const auto size = pg::query(
        "SELECT pg_catalog.pg_relation_size($1::oid)"
        "       / pg_catalog.current_setting('block_size')::bigint",
        {static_cast<std::int64_t>(stored.step.relation_oid)});
    table.table_pages = size.front().number(0);
    const std::string sql = text_of(stored, range, backfill::key_sql(stored.step.relation_oid));
    const auto rows = pg::query(sql.c_str());
    for (const auto& row : rows.rows) {
        Differing one = table;
        one.differences = row.number(0);
        one.place = row.text(1);
        one.key = row.text(2);
        one.olds = row.text(3);
        one.news = row.text(4);
        found.push_back(one);
    }
    if (rows.empty()) found.push_back(table);
}

}  // namespace

std::vector<Differing> verify(const std::string& name, const VerifyRange& range) {
    const Migration m = visible_migration(name, false);
    const auto steps = catalog::load_steps(m.id);
    require_both_sides(m, steps);
    // The rules are the owner's, and call functions of his: nobody else's rights are for them.
    const pg::AsUser owner{m.owner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION};
    const pg::PinnedPath pinned;
    pg::call([] {
        set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                          0, false);
    });
    std::vector<Differing> found;
    bool compares = false;
    for (const auto& stored : steps) {
        if (stored.step.kind != plan::StepKind::verify) continue;
        compares = true;
        if (range.relation && *range.relation != stored.step.relation_oid) continue;
        look(stored, range, found);
    }
    if (!compares)
        pg::notice("migration \"" + name +
                   "\" compares nothing: no column that goes is carried over to another");
    return found;
}

}  // namespace zdm::run
