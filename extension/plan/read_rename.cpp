// RENAME COLUMN: what the column is, what of it can't be had exactly, and the statement itself, on
// the clone. read_copies.cpp reads what hangs on it.
#include "plan/read_rename.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/hanging.hpp"
#include "plan/read_data.hpp"
#include "plan/read_partitions.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// $1 the table, $2 the column's name. Some minor versions keep a number of their own in attoptions.
constexpr auto kColumn =
    "SELECT a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',"
    " CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN'"
    "  WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,"
    " coalesce(a.attstattarget, -1),"
    " (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(pg_catalog.split_part(o, '=', 1)) ||"
    "   ' = ' || pg_catalog.quote_literal(pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)),"
    "   ', ') FROM unnest(a.attoptions) o WHERE pg_catalog.split_part(o, '=', 1) <> 'pg_attver'),"
    " pg_catalog.col_description(a.attrelid, a.attnum), c.reloftype <> 0,"
    " EXISTS (SELECT FROM pg_catalog.pg_seclabel s WHERE s.objoid = a.attrelid"
    "  AND s.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND s.objsubid = a.attnum),"
    " (SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass,"
    "   u.attrelid, u.attnum) FROM pg_catalog.pg_attribute u JOIN pg_catalog.pg_type r"
    "   ON u.atttypid IN (r.oid, r.typarray) WHERE r.typrelid = a.attrelid"
    "   AND NOT u.attisdropped LIMIT 1),"
    " CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END, t.typcategory = 'C'"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " WHERE a.attrelid = $1::oid AND a.attname = $2 AND NOT a.attisdropped";

constexpr auto kInherited =
    "SELECT FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attname = $2"
    " AND NOT attisdropped AND attinhcount > 0";

// What depends on the column $2 of $1, in words; a view for its rule.
#define ZDM_DEPENDENTS                                                                           \
    "SELECT DISTINCT CASE WHEN w.ev_class IS NOT NULL THEN"                                      \
    "  pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0)" \
    "  ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END"                   \
    " FROM pg_catalog.pg_depend d"                                                               \
    " LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::"                \
    "pg_catalog.regclass AND w.oid = d.objid"                                                    \
    " WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid"  \
    " AND d.refobjsubid = $2"

// What depends on the column and is not copied or moved, when it gets another type. $2 is its
// number.
constexpr auto kDependents = ZDM_DEPENDENTS
    " AND d.classid NOT IN ("
    "  'pg_catalog.pg_constraint'::pg_catalog.regclass,"
    "  'pg_catalog.pg_publication_rel'::pg_catalog.regclass,"
    "  'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef f WHERE f.oid = d.objid"
    "  AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.adrelid = $1::oid"
    "  AND f.adnum = $2)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid"
    "  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0"
    "  AND c.relkind IN ('i', 'I', 'S'))"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.oid = d.objid"
    "  AND d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND g.tgrelid = $1::oid)"
    " ORDER BY 1 LIMIT 5";

// What names the column and follows it to its new name: views, policies, publications, functions.
constexpr auto kFollowers = ZDM_DEPENDENTS
    " AND d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass,"
    "  'pg_catalog.pg_policy'::pg_catalog.regclass,"
    "  'pg_catalog.pg_publication_rel'::pg_catalog.regclass,"
    "  'pg_catalog.pg_proc'::pg_catalog.regclass) ORDER BY 1";

// Rules of the table or its partitions $1 that name the column $2.
constexpr auto kRules =
    "SELECT pg_catalog.pg_describe_object('pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid, 0)"
    " FROM pg_catalog.pg_rewrite w WHERE w.ev_class = ANY ($1::text[]::oid[])"
    " AND EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a"
    "  ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
    "  WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid"
    "  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "  AND d.refobjid = w.ev_class AND a.attname = $2) ORDER BY 1 LIMIT 1";

// Policies of the table or of what is below it, $1, and checks of these, that read a row as a
// whole.
constexpr auto kWholeRow =
    "SELECT 'policy ' || pg_catalog.quote_ident(p.polname) || CASE WHEN p.polrelid <> $2::oid"
    "  THEN ' of ' || p.polrelid::pg_catalog.regclass ELSE '' END FROM pg_catalog.pg_policy p"
    " WHERE p.polrelid = ANY ($1::text[]::oid[]) AND (coalesce(p.polqual::text, '') ||"
    "  coalesce(p.polwithcheck::text, '')) LIKE '%:varattno 0 %'"
    " UNION ALL SELECT 'constraint ' || pg_catalog.quote_ident(k.conname) || ' of ' ||"
    "  k.conrelid::pg_catalog.regclass FROM pg_catalog.pg_constraint k"
    " WHERE k.conrelid = ANY ($1::text[]::oid[]) AND k.conrelid <> $2::oid AND k.contype = 'c'"
    "  AND 0 = ANY (k.conkey) ORDER BY 1 LIMIT 1";

#undef ZDM_DEPENDENTS

// $3 the table, $4 the new column, both quoted.
constexpr auto kPrivileges =
    "SELECT 'GRANT ' || x.privilege_type || ' (' || $4 || ') ON ' || $3 || ' TO ' ||"
    "  CASE WHEN x.grantee = 0 THEN 'PUBLIC'"
    "   ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END ||"
    "  CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END || ';',"
    " x.grantor = c.relowner, pg_catalog.pg_get_userbyid(x.grantor)"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) WITH ORDINALITY"
    "  AS x (grantor, grantee, privilege_type, is_grantable, n)"
    " WHERE a.attrelid = $1::oid AND a.attnum = $2 ORDER BY x.n";

}  // namespace

void read_rename(Rehearsal& rehearsal, const Statement& statement, RenameStmt* tree) {
    RenameReader{rehearsal, statement, tree}.read();
}

RenameReader::RenameReader(Rehearsal& rehearsal, const Statement& statement, RenameStmt* tree)
    : r_(rehearsal),
      statement_(statement),
      tree_(tree),
      at_(rehearsal.source_.place(statement.start)),
      old_(tree->subname),
      new_(tree->newname) {}

void RenameReader::refuse_piece(const std::string& what, const std::string& why,
                                const std::string& instead) const {
    refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
           "column " + pg::quote_ident(old_) + " of " + table().qualified + " can't be " + verb_ +
               " exactly: " + what,
           why, instead);
}

Action RenameReader::start() const {
    Action action = r_.start(statement_, statement_.start, statement_.end);
    action.table = table_;
    return action;
}

Seen RenameReader::replay() {
    r_.redirect_names(reinterpret_cast<Node*>(tree_));
    return r_.replay(reinterpret_cast<Node*>(tree_));
}

void RenameReader::read() {
    const auto found = r_.target(tree_->relation, tree_->missing_ok, Rehearsal::Use::name);
    if (!found) return;
    table_ = *found;
    refuse_inherited();
    if (table().partitioned) take_partitions();
    if (table().has_children) take_children();
    if (table().made_here() || statement_.directives.direct) return direct();
    const std::uint32_t clone = relation().clone;
    // What is wrong with the names the server says best, but it begins with the leaf of the clone.
    if (table().partitioned && describe_column(clone, old_) && describe_column(clone, new_))
        refuse(at_, "ZD005", pg::sqlstate("42701"),
               "column \"" + new_ + "\" of relation \"" + relation().name + "\" already exists", {},
               "Correct this and try again; nothing was changed.");
    if (!describe_column(clone, old_) || describe_column(clone, new_)) replay();
    RenameColumn rename;
    check_column(rename);
    check_readers();
    DataReader{r_, statement_}.check_fill(table_, at_);
    note_subscribers();
    note_followers();
    read_privileges(rename);
    prepare_indexes();
    prepare_statistics();
    read_triggers(rename);
    prepare_partitions(rename);

    Action action = start();
    replay();
    const ColumnFacts facts = describe_column(clone, new_).value();
    rename.column = pg::quote_ident(old_);
    rename.renamed = facts.name;
    rename.definition = facts.definition;
    if (!facts.identity) rename.default_text = facts.default_text;
    rename.place = read_place(relation().oid, new_, old_);
    for (const auto& owned : owned_sequences(relation().oid, old_))
        rename.sequences.push_back(owned.name);
    action.seen = {
        {{table_, LockMode::access_exclusive, LockMode::access_exclusive}}, false, false};
    name_constraints(rename);
    read_indexes(rename);
    read_statistics(rename);
    drop_children();
    action.detail = std::move(rename);
    r_.add(std::move(action));
}

// The clone has nothing above it.
void RenameReader::refuse_inherited() const {
    const auto above = ask(kInherited, {std::int64_t{relation().oid}, old_});
    if (above.empty()) return;
    refuse(r_.source_.place(std::max(tree_->relation->location, 0)), "ZD005", pg::sqlstate("42P16"),
           "cannot rename inherited column \"" + old_ + "\"",
           table().qualified + " has what the table above it has.",
           "Rename the column in the table above.");
}

void RenameReader::take_children() {
    if (!tree_->relation->inh)
        refuse(at_, "ZD005", pg::sqlstate("42P16"),
               "inherited column \"" + old_ + "\" must be renamed in child tables too", {},
               "Leave ONLY out.");
    if (statement_.directives.direct) {
        list_partitions(r_.clones_, table_);
        return;
    }
    check_fill_of_leaves(table(), list_children(r_.clones_, table_, at_), at_);
    for (const auto& child : table().partitions)
        if (describe_column(child.oid, new_))
            refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
                   "child table " + child.qualified + " has a column " + pg::quote_ident(new_) +
                       " already",
                   "The server would make them one.", "Rename that column first.");
}

// As written, at once: on a table of this migration, or with the lock and what it means accepted.
void RenameReader::direct() {
    Action action = start();
    action.seen = replay();
    Direct direct;
    direct.command = r_.source_.slice(statement_.start, statement_.end) + ";";
    direct.undo = "ALTER TABLE " + table().qualified + " RENAME COLUMN " + pg::quote_ident(new_) +
                  " TO " + pg::quote_ident(old_) + ";";
    direct.note = table().made_here() ? "the table is new: nobody else uses it yet"
                                      : "applications that use the old name fail from here on";
    direct.same_locks = true;
    action.detail = std::move(direct);
    r_.add(std::move(action));
}

// Its rows are filled in the leaves, and all partitions change with it.
void RenameReader::take_partitions() {
    const auto members = list_partitions(r_.clones_, table_);
    if (statement_.directives.direct) return;
    check_fill_of_leaves(table(), members, at_);
    for (std::size_t i = 0; i < members.size(); ++i)
        require_owned(table().partitions[i], members[i], "It is changed with its table.", at_);
    const auto key = find_key_column(table().oid, {old_});
    if (key)
        refuse_piece("it is in the partition key of " + key->table,
                     "Rows find their partition before any trigger runs, so those of an "
                     "application that knows one of the two columns only would find none.",
                     retype_ ? "Make a new table that is partitioned by the other type, and move "
                               "the rows there."
                             : "Write -- zdm: direct right before the statement to rename it at "
                               "once, when no application uses the old name any more.");
}

pg::Result RenameReader::column_of(std::uint32_t oid) const {
    return ask(kColumn, {std::int64_t{oid}, old_});
}

Statements RenameReader::dress_of(const pg::Row& column, const std::string& relation) const {
    Statements dress;
    const std::string renamed = pg::quote_ident(new_);
    // A table tells those below it of some of these, and each says its own.
    const std::string alter = std::string{"ALTER TABLE "} + (table().is_tree() ? "ONLY " : "") +
                              relation + " ALTER COLUMN " + renamed + " ";
    if (!column.is_null(3) && !retype_)
        dress.push_back(alter + "SET STORAGE " + column.text(3) + ";");
    if (!column.is_null(10) && !retype_)
        dress.push_back(alter + "SET COMPRESSION " + column.text(10) + ";");
    if (column.number(4) >= 0) dress.push_back(alter + "SET STATISTICS " + column.text(4) + ";");
    if (!column.is_null(5)) dress.push_back(alter + "SET (" + column.text(5) + ");");
    if (!column.is_null(6))
        dress.push_back("COMMENT ON COLUMN " + relation + "." + renamed + " IS " +
                        pg::quote_literal(column.text(6)) + ";");
    return dress;
}

void RenameReader::refuse_in_row(const pg::Row& column, const std::string& relation) const {
    const bool here = relation == table().qualified;
    if (column.flag(8))
        refuse_piece("it has a security label" + (here ? "" : " in " + relation), {},
                     "Take the label off, and set it again after.");
    if (!column.is_null(9))
        refuse_piece("the row type of " + (here ? "the table" : relation) + " is the type of " +
                         column.text(9),
                     "Columns would come in another order in these values.",
                     "Give that column another type first.");
}

void RenameReader::check_column(RenameColumn& rename) {
    const auto found = column_of(relation().oid);
    const std::string name = pg::quote_ident(old_);
    if (found.empty())
        refuse(
            at_, "ZD105", pg::state::kFeatureNotSupported,
            "column " + name + " is made and " + verb_ + " in one migration", {},
            retype_ ? "Give it that type where it is made." : "Give it its name where it is made.");
    if (describe_column(relation().oid, new_))
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
               "column " + pg::quote_ident(new_) + " of " + table().qualified +
                   " is there until contract, so no other can have its name before",
               "An earlier statement of this migration renames or drops it.",
               "Rename in a migration of its own, after this one.");
    const pg::Row& row = found.front();
    number_ = row.number(0);
    rename.type = row.text(1);
    if (retype_) rename.hanging = read_hanging(relation().oid, old_);
    if (row.flag(7))
        refuse(at_, "ZD005", pg::sqlstate("42809"), "cannot rename column of typed table", {},
               "Rename the attribute of its type.");
    if (row.flag(2))
        refuse_piece("it is generated", "No trigger can keep it equal to another.",
                     "Add a column of the new name, generated by the same expression, and drop "
                     "this one in a later migration.");
    if (has_constrained_domain(relation().oid, old_))
        refuse_piece(
            "its type is a domain with a constraint, which new rows must meet before a "
            "trigger can fill them",
            {}, "Change its type to that under the domain first.");
    if (row.flag(11))
        refuse_piece("its type is a composite one",
                     "Whether it has a value could not be told: IS NULL looks into such a row.",
                     "Write -- zdm: direct right before the statement to run it at once.");
    refuse_in_row(row, table().qualified);
    rename.dress = dress_of(row, table().qualified);
}

void RenameReader::check_dependents() const {
    std::vector<std::string> names;
    for (const auto& row : ask(kDependents, {std::int64_t{relation().oid}, number_}).rows)
        names.push_back(row.text(0));
    if (names.empty()) return;
    refuse(at_, "ZD110", pg::sqlstate("2BP01"),
           "other objects depend on column " + pg::quote_ident(old_) + " of " + table().qualified +
               ", and zdm can't move them to another column",
           join(names, "; ") + ".",
           "Drop them before, and make them again over the new column when the migration is done.");
}

// What reads a row before the trigger has brought it in step, or has no place for one column more.
void RenameReader::check_readers() const {
    const auto rules = ask(kRules, {tree_oids(), old_});
    if (!rules.empty())
        refuse_piece(rules.front().text(0) + " names it",
                     "A rule sees what a statement says, where an application that knows the other "
                     "column only says nothing.",
                     "Make it a trigger, or drop it before and make it again after.");
    const auto whole = ask(kWholeRow, {tree_oids(), std::int64_t{relation().oid}});
    if (!whole.empty())
        refuse_piece(whole.front().text(0) + " reads a row as a whole",
                     "A row has both columns until contract.", "Let it name its columns.");
}

void RenameReader::note_followers() const {
    std::vector<std::string> names;
    for (const auto& row : ask(kFollowers, {std::int64_t{relation().oid}, number_}).rows)
        names.push_back(row.text(0));
    if (names.empty()) return;
    r_.note(at_, "these name " + pg::quote_ident(old_) + " until contract, and follow it to " +
                     pg::quote_ident(new_) + " there: " + join(names));
}

void RenameReader::read_privileges(RenameColumn& rename) const {
    for (const auto& grant : privileges_of(relation().oid, number_, table().qualified))
        rename.dress.push_back(grant);
}

Statements RenameReader::privileges_of(std::uint32_t oid, std::int64_t number,
                                       const std::string& relation) const {
    Statements grants;
    const auto found =
        ask(kPrivileges, {std::int64_t{oid}, number, relation, pg::quote_ident(new_)});
    for (const auto& row : found.rows) {
        if (!row.flag(1))
            refuse_piece("role " + row.text(2) + ", not the owner, granted privileges on it",
                         "Nobody else can grant them in that role's name.",
                         "Let the owner grant them, and revoke these.");
        grants.push_back(row.text(0));
    }
    return grants;
}

std::vector<OwnedSequence> RenameReader::sequences() const {
    const auto all = owned_sequences(relation().oid, old_);
    for (const auto& owned : all)
        if (owned.is_identity() && !owned.plain)
            refuse_piece("it is an identity column, and its sequence " + owned.name +
                             " has privileges, a comment, or a type of its own",
                         "The sequence is made anew.", "Take them off, and set them again after.");
    return all;
}

}  // namespace zdm::plan
