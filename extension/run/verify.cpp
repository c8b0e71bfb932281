#include "run/verify.hpp"

#include <algorithm>

#include "backfill/leaves.hpp"
#include "backfill/statements.hpp"
#include "backfill/table.hpp"
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
using plan::StepKind;

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
    if (has_removed(steps))
        refuse(m, is + " Its first removal has begun.", "Let it go on: zdm_resume(" + name + ").");
}

Question comparison(const plan::Step& step, const char* predicate) {
    const auto& parameters = step.parameters;
    return {step,
            parameters.at(predicate),
            parameters.at("old"),
            parameters.at("new"),
            parameters.at("show_old"),
            parameters.at("show_new"),
            {},
            {}};
}

// Columns that change their names in the switch are compared before and after it, each time under
// the names of that time.
bool is_about_now(const StoredStep& compares, const std::vector<StoredStep>& steps) {
    bool before = false;
    bool switched = true;
    for (const auto& stored : steps) {
        if (stored.step.phase != plan::Phase::switch_ ||
            stored.step.relation_oid != compares.step.relation_oid)
            continue;
        if (stored.step.kind == StepKind::verify)
            before = true;
        else
            switched = switched && stored.state == catalog::StepState::done;
    }
    return !before || switched == (compares.step.phase == plan::Phase::contract);
}

std::vector<Question> comparisons(const std::vector<StoredStep>& steps) {
    std::vector<Question> questions;
    for (const auto& stored : steps)
        if (stored.step.kind == StepKind::verify && is_about_now(stored, steps))
            questions.push_back(comparison(stored.step, "differs"));
    return questions;
}

bool goes_through_tree(const Question& question) {
    return question.step.parameters.count("tree") != 0;
}

// One question for each table, or tree of tables, so that each is read once.
std::vector<Question> together(const std::vector<Question>& questions) {
    std::vector<Question> joined;
    for (const auto& question : questions) {
        const auto same = std::find_if(joined.begin(), joined.end(), [&](const Question& other) {
            return other.step.relation_oid == question.step.relation_oid &&
                   goes_through_tree(other) == goes_through_tree(question);
        });
        if (same == joined.end())
            joined.push_back(question);
        else
            same->predicate = "(" + same->predicate + ") OR (" + question.predicate + ")";
    }
    return joined;
}

// The rows are found by their places first: of many that differ only some are shown.
std::string text_of(const Question& question, const VerifyRange& range, const std::string& key) {
    const std::string& relation = question.step.relation;
    const std::string table =
        "ONLY " + relation + " AS " +
        (question.known_as.empty() ? backfill::own_name(relation) : question.known_as);
    const auto place = [](std::int64_t page) {
        return "'(" + std::to_string(page) + ",0)'::pg_catalog.tid";
    };
    std::string where = "ctid OPERATOR(pg_catalog.>=) " + place(range.first_page);
    if (range.pages)
        where += " AND ctid OPERATOR(pg_catalog.<) " + place(range.first_page + *range.pages);
    // CASE keeps the planner from reading an index instead.
    return "WITH zdm_found AS MATERIALIZED (SELECT ctid AS place FROM " + table + " WHERE " +
           where + " AND CASE WHEN " + question.predicate +
           " THEN true ELSE false END)"
           " SELECT (SELECT pg_catalog.count(*) FROM zdm_found), ctid::pg_catalog.text, " +
           (key.empty() ? "''" : key) + ", " + question.show_old + ", " + question.show_new +
           " FROM " + table +
           " WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT place FROM zdm_found LIMIT " +
           std::to_string(range.examples) + ")) ORDER BY ctid";
}

}  // namespace

bool has_removed(const std::vector<StoredStep>& steps) {
    std::vector<StepView> views;
    for (const auto& stored : steps)
        views.push_back({stored.step.phase, stored.state, stored.step.removal});
    return removal_begun(views);
}

std::vector<Question> asking_back(const std::vector<StoredStep>& steps) {
    std::vector<Question> questions;
    for (const auto& stored : steps) {
        const auto state = stored.state;
        if (stored.step.phase == plan::Phase::expand && state != catalog::StepState::done &&
            state != catalog::StepState::skipped)
            return {};
        if (stored.step.kind == StepKind::verify && is_about_now(stored, steps))
            questions.push_back(comparison(stored.step, "lost"));
    }
    for (const auto& stored : steps) {
        if (stored.state != catalog::StepState::done || stored.step.relation_oid == 0) continue;
        for (const auto& part : stored.step.undo) {
            if (part.kind != StepKind::count) continue;
            const auto& parameters = part.parameters;
            plan::Step step = stored.step;
            if (parameters.count("tree") != 0) step.parameters["tree"] = "yes";
            questions.push_back({step,
                                 parameters.at("violates"),
                                 {},
                                 {},
                                 "'{}'",
                                 "'{}'",
                                 parameters.at("constraint"),
                                 {}});
        }
    }
    return questions;
}

std::vector<Question> in_leaves(const std::vector<Question>& questions) {
    std::vector<Question> all;
    for (const auto& question : questions) {
        const Oid relation = question.step.relation_oid;
        backfill::Task task;
        task.relation = relation;
        task.name = question.step.relation;
        task.tree = goes_through_tree(question);
        if (!task.tree &&
            pg::call([&] { return get_rel_relkind(relation); }) != RELKIND_PARTITIONED_TABLE) {
            all.push_back(question);
            continue;
        }
        for (const auto& listed : backfill::list_leaves(task)) {
            Question one = question;
            one.step.relation = listed.leaf.name;
            one.step.relation_oid = listed.leaf.relation;
            one.known_as = backfill::own_name(task.name);
            all.push_back(std::move(one));
        }
    }
    return all;
}

std::vector<Differing> ask(const Migration& migration, const Question& question,
                           const VerifyRange& range) {
    // The rules are the owner's, and call functions of his: nobody else's rights are for them.
    const pg::AsUser owner{migration.owner,
                           SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION};
    const pg::PinnedMeaning pinned;
    pg::call([] {
        set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                          0, false);
    });
    check_relation(question.step);
    Differing table;
    table.relation = question.step.relation;
    const auto relation = question.step.relation_oid;
    const auto size = pg::query(
        "SELECT pg_catalog.pg_relation_size($1::oid)"
        "       / pg_catalog.current_setting('block_size')::bigint",
        {static_cast<std::int64_t>(relation)});
    table.table_pages = size.front().number(0);
    const auto rows = pg::query(text_of(question, range, backfill::key_sql(relation)).c_str());
    std::vector<Differing> found;
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
    return found;
}

std::vector<Differing> verify(const std::string& name, const VerifyRange& range, bool going_back) {
    const Migration m = visible_migration(name, false);
    const auto steps = catalog::load_steps(m.id);
    require_both_sides(m, steps);
    const auto questions =
        in_leaves(together(going_back ? asking_back(steps) : comparisons(steps)));
    std::vector<Differing> found;
    for (const auto& question : questions) {
        if (range.relation && *range.relation != question.step.relation_oid) continue;
        const auto more = ask(m, question, range);
        found.insert(found.end(), more.begin(), more.end());
    }
    if (questions.empty())
        pg::notice("migration \"" + name +
                   "\" compares nothing: no column that goes is carried over to another");
    return found;
}

}  // namespace zdm::run
