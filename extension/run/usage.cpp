// Three sources: the sync triggers' evidence (through the door), pg_depend, and the sessions. The
// last two are read with the rights of the caller: they show him what he could see anyway.
#include "run/usage.hpp"

#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/locks.hpp"
#include "run/machine.hpp"
#include "run/session.hpp"
#include "run/verify.hpp"
#include "settings.hpp"
#include "sync/install.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "storage/lmgr.h"
}

namespace zdm::run {

namespace {

using catalog::StepState;
using catalog::StoredStep;
using plan::StepKind;

bool has_effects(const StoredStep& stored) {
    return stored.state == StepState::done ||
           (stored.state == StepState::running && stored.step.kind == StepKind::index);
}

std::string parameter(const StoredStep& stored, const char* name) {
    const auto found = stored.step.parameters.find(name);
    return found == stored.step.parameters.end() ? std::string{} : found->second;
}

std::vector<Taken> taken_of(const catalog::Migration& migration,
                            const std::vector<StoredStep>& steps) {
    std::vector<Taken> taken;
    for (const auto& stored : steps) {
        if (!has_effects(stored) || stored.step.undo.empty()) continue;
        std::vector<Taken> more;
        if (parameter(stored, "path") == "user") {
            const LocalUserSettings settings{migration.settings};
            more = taken_by(plan::undo_sql(stored.step));
        } else {
            more = taken_by(plan::undo_sql(stored.step));
        }
        taken.insert(taken.end(), more.begin(), more.end());
    }
    return taken;
}

// Of triggers that are there now.
void add_writes(const std::vector<StoredStep>& steps, std::vector<Finding>& findings) {
    for (const auto& stored : steps) {
        if (stored.step.kind != StepKind::sync || stored.state != StepState::done ||
            stored.step.parameters.count("unseen") != 0)
            continue;
        bool gone = false;
        for (const auto& other : steps)
            gone = gone || (other.step.kind == StepKind::unsync &&
                            other.step.relation_oid == stored.step.relation_oid &&
                            other.state == StepState::done);
        if (gone || !relation_exists(stored.step)) continue;
        Finding finding;
        finding.relation = stored.step.relation;
        finding.object = parameter(stored, "columns");
        finding.readable = sync::has_written_evidence(stored.step.relation_oid);
        if (finding.readable) finding.last_used = sync::last_wrote(stored.step.relation_oid);
        if (finding.last_used) finding.used_by = "applications";
        findings.push_back(finding);
    }
}

// What hangs on the taken objects, as DROP ... RESTRICT sees it: what is part of them or made for
// them goes with them, everything else blocks. What goes with a whole table is not worth a word.
constexpr auto kDependents =
    "WITH RECURSIVE taken AS ("
    "  SELECT * FROM unnest($1::oid[], $2::oid[], $3::int[], $4::oid[], $5::boolean[])"
    "    WITH ORDINALITY AS t (classid, objid, objsubid, relation, restored, n)),"
    " target AS (SELECT * FROM taken WHERE NOT restored),"
    " gone AS ("
    "  SELECT classid, objid, objsubid, n FROM target"
    "  UNION"
    "  SELECT d.classid, d.objid, d.objsubid, g.n FROM gone g JOIN pg_depend d"
    "    ON d.refclassid = g.classid AND d.refobjid = g.objid"
    "       AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid)"
    "   WHERE d.deptype IN ('a', 'i')),"
    " found AS ("
    "  SELECT d.classid, d.objid, d.objsubid, min(g.n) AS n, true AS blocks"
    "    FROM gone g JOIN pg_depend d ON d.refclassid = g.classid AND d.refobjid = g.objid"
    "         AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid)"
    "   WHERE d.deptype = 'n' AND NOT EXISTS ("
    "           SELECT FROM gone x WHERE x.classid = d.classid AND x.objid = d.objid"
    "              AND x.objsubid IN (0, d.objsubid))"
    // What gets its definition of before depends on nothing new any more.
    "     AND NOT EXISTS ("
    "           SELECT FROM taken x WHERE x.restored AND CASE d.classid"
    "             WHEN 'pg_rewrite'::regclass THEN x.objid = ("
    "                 SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = d.objid)"
    "             WHEN 'pg_attrdef'::regclass THEN (x.objid, x.objsubid) = ("
    "                 SELECT a.adrelid, a.adnum FROM pg_attrdef a WHERE a.oid = d.objid)"
    "             ELSE x.classid = d.classid AND x.objid = d.objid AND x.objsubid = 0 END)"
    "   GROUP BY 1, 2, 3"
    "  UNION ALL"
    "  SELECT g.classid, g.objid, g.objsubid, min(g.n), false"
    "    FROM gone g JOIN target t ON t.n = g.n AND t.objsubid <> 0"
    "   WHERE NOT EXISTS (SELECT FROM target x WHERE x.classid = g.classid AND x.objid = g.objid)"
    "     AND CASE g.classid"
    "         WHEN 'pg_class'::regclass THEN NOT EXISTS ("
    "             SELECT FROM pg_constraint c WHERE c.conindid = g.objid"
    "                AND c.contype IN ('p', 'u', 'x'))"
    // What partitions have of their table goes with that.
    "              AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = g.objid)"
    "         WHEN 'pg_constraint'::regclass THEN EXISTS ("
    "             SELECT FROM pg_constraint c WHERE c.oid = g.objid AND c.contype <> 'n'"
    "                AND c.coninhcount = 0)"
    "         WHEN 'pg_trigger'::regclass THEN EXISTS ("
    "             SELECT FROM pg_trigger c WHERE c.oid = g.objid AND NOT c.tgisinternal"
    "                AND c.tgparentid = 0)"
    "         ELSE g.classid IN ('pg_policy'::regclass, 'pg_statistic_ext'::regclass,"
    "                            'pg_publication_rel'::regclass) END"
    "   GROUP BY 1, 2, 3)"
    " SELECT DISTINCT CASE WHEN t.relation <> 0 THEN"
    "          (SELECT format('%I.%I', s.nspname, c.relname) FROM pg_class c"
    "             JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = t.relation) END,"
    "        pg_describe_object(t.classid, t.objid, t.objsubid),"
    // The rule of a view is the view.
    "        coalesce((SELECT pg_describe_object('pg_class'::regclass, r.ev_class, 0)"
    "                    FROM pg_rewrite r WHERE f.classid = 'pg_rewrite'::regclass"
    "                     AND r.oid = f.objid AND r.rulename = '_RETURN'),"
    "                 pg_describe_object(f.classid, f.objid, f.objsubid)),"
    "        f.blocks"
    "   FROM found f JOIN target t ON t.n = f.n ORDER BY f.blocks DESC, 1, 2, 3";

std::vector<std::string> texts(const std::vector<Taken>& taken, std::uint32_t Taken::*member) {
    std::vector<std::string> list;
    for (const auto& one : taken) list.push_back(std::to_string(one.*member));
    return list;
}

void add_dependents(const std::vector<Taken>& taken, std::vector<Finding>& findings) {
    std::vector<std::string> columns;
    std::vector<std::string> restored;
    for (const auto& one : taken) {
        columns.push_back(std::to_string(one.sub_id));
        restored.emplace_back(one.restored ? "t" : "f");
    }
    const auto found =
        pg::query(kDependents, {texts(taken, &Taken::class_id), texts(taken, &Taken::object_id),
                                columns, texts(taken, &Taken::relation), restored});
    for (const auto& row : found.rows) {
        Finding finding;
        finding.use = Use::dependency;
        finding.relation = row.text(0);
        finding.object = row.text(1);
        finding.used_by = row.text(2);
        finding.blocks = row.flag(3);
        findings.push_back(finding);
    }
}

// Those whose role has a right on one of the tables, or all when it is about no table.
void add_sessions(const std::vector<Taken>& taken, std::vector<Finding>& findings) {
    const auto found = pg::query(
        "SELECT coalesce(a.application_name, ''), a.usename, count(*) FROM pg_stat_activity a"
        " WHERE a.datname = current_database() AND a.usename IS NOT NULL"
        // The type of others' backends is hidden from plain roles.
        "   AND coalesce(a.backend_type, 'client backend') = 'client backend'"
        "   AND a.pid <> pg_backend_pid() AND a.application_name IS DISTINCT FROM 'zdm'"
        "   AND (0 = ALL ($1::oid[]) OR EXISTS (SELECT FROM unnest($1::oid[]) t (oid)"
        "        WHERE has_any_column_privilege(a.usesysid, t.oid, 'SELECT, INSERT, UPDATE')"
        "           OR has_table_privilege(a.usesysid, t.oid, 'DELETE')))"
        " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
        {texts(taken, &Taken::relation)});
    for (const auto& row : found.rows) {
        Finding finding;
        finding.use = Use::session;
        finding.used_by = row.text(0);
        finding.role = row.text(1);
        finding.sessions = row.number(2);
        findings.push_back(finding);
    }
}

// Why the rows of a table are not read; empty when they are.
std::string unread_because(const plan::Step& step) {
    const Oid relation = step.relation_oid;
    // Nobody asked for it, so nobody is waited for.
    if (!pg::call([&] { return ConditionalLockRelationOid(relation, AccessShareLock); }))
        return "somebody has it locked";
    const auto size =
        pg::query("SELECT pg_relation_size($1::oid)", {static_cast<std::int64_t>(relation)});
    if (size.front().number(0) <= settings::small_table_bytes()) return {};
    return "it is larger than zdm.small_table; zdm_verify with going_back => true reads it";
}

std::optional<Finding> ask_rows(const catalog::Migration& migration, const Question& question) {
    Finding finding;
    finding.relation = question.step.relation;
    finding.use = Use::unread;
    finding.examples = unread_because(question.step);
    if (!finding.examples.empty()) return finding;
    VerifyRange range;
    range.examples = 3;
    const auto rows = ask(migration, question, range);
    finding.rows = rows.front().differences;
    if (finding.rows == 0) return std::nullopt;
    const bool loss = question.violates.empty();
    finding.use = loss ? Use::loss : Use::misfit;
    finding.object = loss ? question.news : question.violates;
    finding.used_by = question.olds;
    for (const auto& row : rows)
        finding.examples += (finding.examples.empty() ? "" : "; ") + row.place +
                            (row.key.empty() ? "" : ", ") + row.key;
    return finding;
}

std::vector<Finding> ask_leaves(const catalog::Migration& migration, const Question& question) {
    std::vector<Finding> found;
    for (const auto& one : in_leaves({question}))
        if (auto finding = ask_rows(migration, one)) found.push_back(std::move(*finding));
    return found;
}

// Rows of small tables that lose something, or that stop the rollback. That they can't be read must
// not keep anybody from going back.
void add_rows(const catalog::Migration& migration, const std::vector<StoredStep>& steps,
              std::vector<Finding>& findings) {
    std::string unread;
    for (const auto& question : asking_back(steps)) {
        std::vector<Finding> found;
        try {
            pg::Subtransaction attempt;
            if (relation_exists(question.step)) found = ask_leaves(migration, question);
            attempt.commit();
        } catch (const pg::Error& error) {
            if (error.sqlstate == pg::state::kQueryCanceled) throw;
            Finding finding;
            finding.use = Use::unread;
            finding.relation = question.step.relation;
            finding.examples = error.what();
            found = {finding};
        }
        for (const auto& finding : found) {
            if (finding.use == Use::unread && unread == finding.relation) continue;
            if (finding.use == Use::unread) unread = finding.relation;
            findings.push_back(finding);
        }
    }
}

}  // namespace

std::vector<Finding> usage(const catalog::Migration& migration) {
    const pg::PinnedPath pinned;
    const auto steps = catalog::load_steps(migration.id);
    const auto taken = taken_of(migration, steps);
    std::vector<Finding> findings;
    add_writes(steps, findings);
    if (catalog::is_live(migration.state) && !has_removed(steps))
        add_rows(migration, steps, findings);
    if (taken.empty()) return findings;
    add_dependents(taken, findings);
    add_sessions(taken, findings);
    return findings;
}

}  // namespace zdm::run
