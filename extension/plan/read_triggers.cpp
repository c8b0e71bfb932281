// Triggers that name a column which gets another name or type: one with UPDATE OF fires for both
// columns while there are two; one whose function or arguments name it is refused or made again.
#include "plan/ask.hpp"
#include "plan/hanging.hpp"
#include "plan/read_rename.hpp"

#include "pg/bridge.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// $3 the column's name.
constexpr auto kTriggers =
    "SELECT pg_catalog.quote_ident(g.tgname), pg_catalog.pg_get_triggerdef(g.oid), g.tgenabled,"
    " pg_catalog.obj_description(g.oid, 'pg_trigger'), (g.tgtype & 2) <> 0,"
    " $2::int2 = ANY (g.tgattr::int2[]),"
    " coalesce(g.tgqual::text, '') LIKE '%:varattno ' || $2 || ' %',"
    " CASE WHEN $3 ~ '^\\w+$' THEN p.prosrc ~* w.word ELSE pg_catalog.strpos(p.prosrc, $3) > 0 END,"
    " pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname),"
    " g.tgconstrrelid <> 0,"
    " CASE WHEN $3 ~ '^\\w+$' THEN w.given ~* w.word ELSE pg_catalog.strpos(w.given, $3) > 0 END,"
    " g.tgparentid <> 0"
    " FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
    // Each argument ends with a zero byte, which no text can hold: a new line instead.
    " CROSS JOIN LATERAL (SELECT '\\m' || $3 || '\\M' AS word, pg_catalog.convert_from("
    "   pg_catalog.decode(pg_catalog.replace(pg_catalog.regexp_replace(pg_catalog.encode(g.tgargs,"
    "    'hex'), '(..)', '\\1 ', 'g'), '00 ', '0a '), 'hex'),"
    "   pg_catalog.getdatabaseencoding()) AS given) w"
    " WHERE g.tgrelid = $1::oid AND NOT g.tgisinternal ORDER BY g.tgname";

// What is otherwise with the copy of a trigger in one of the partitions $1.
constexpr auto kOtherInPartition =
    "SELECT g.tgrelid::pg_catalog.regclass::text FROM pg_catalog.pg_trigger g"
    " WHERE g.tgrelid = ANY ($1::text[]::oid[]) AND pg_catalog.quote_ident(g.tgname) = $2"
    " AND g.tgparentid <> 0 AND (g.tgenabled::text <> $3"
    "  OR pg_catalog.obj_description(g.oid, 'pg_trigger') IS NOT NULL) ORDER BY 1 LIMIT 1";

// A definition of a trigger, with its tokens.
class TriggerText {
public:
    explicit TriggerText(const std::string& definition) : source_(definition) {
        const int name =
            castNode(CreateTrigStmt, source_.statements().front().tree->stmt)->relation->location;
        while (tokens().at(relation_).start != name) ++relation_;
    }
    // The same, and for UPDATE OF one column more.
    std::string of_also(const std::string& column) const {
        for (std::size_t i = 1; i < relation_; ++i) {
            if (word(i - 1) != "UPDATE" || word(i) != "OF") continue;
            return source_.text().substr(0, start(i + 1)) + column + ", " +
                   source_.text().substr(start(i + 1));
        }
        return source_.text();
    }

private:
    const std::vector<Token>& tokens() const { return source_.tokens(); }
    std::size_t start(std::size_t i) const {
        return static_cast<std::size_t>(tokens().at(i).start);
    }
    // Names that look like these words are quoted or in lower case.
    std::string word(std::size_t i) const {
        return source_.slice(tokens().at(i).start, tokens().at(i).end);
    }

    Source source_;
    std::size_t relation_ = 0;
};

}  // namespace

pg::Result RenameReader::triggers_on(std::uint32_t oid, std::int64_t number) const {
    return ask(kTriggers, {std::int64_t{oid}, number, old_});
}

void RenameReader::read_triggers(RenameColumn& rename) const {
    for (const auto& row : triggers_on(relation().oid, number_).rows) read_trigger(rename, row);
}

Statements RenameReader::trigger_again(const pg::Row& row, const std::string& definition) const {
    const std::string name = row.text(0);
    const std::string table_name = table().qualified;
    const std::string alter = "ALTER TABLE " + table_name + " ";
    Statements all = {"DROP TRIGGER " + name + " ON " + table_name + ";", definition + ";"};
    switch (row.text(2).front()) {
    case 'D': all.push_back(alter + "DISABLE TRIGGER " + name + ";"); break;
    case 'R': all.push_back(alter + "ENABLE REPLICA TRIGGER " + name + ";"); break;
    case 'A': all.push_back(alter + "ENABLE ALWAYS TRIGGER " + name + ";"); break;
    default: break;
    }
    if (!row.is_null(3))
        all.push_back(comment_on("TRIGGER " + name + " ON " + table_name, row.text(3)));
    return all;
}

std::vector<Statements> RenameReader::naming_triggers() const {
    std::vector<Statements> all;
    for (const auto& row : triggers_on(relation().oid, number_).rows) {
        if (!row.flag(7) && !row.flag(10)) continue;
        check_trigger_parts(row);
        all.push_back(trigger_again(row, row.text(1)));
    }
    return all;
}

void RenameReader::read_trigger(RenameColumn& rename, const pg::Row& row) const {
    const std::string name = row.text(0);
    if (row.flag(7))
        refuse_piece("function " + row.text(8) + " of trigger " + name + " names it",
                     "Without the column it would break every write.",
                     "Let the function do without it, e.g. with to_jsonb(NEW), or drop the "
                     "trigger; or rename the column with -- zdm: direct.");
    if (row.flag(10))
        refuse_piece("trigger " + name + " gives its name to function " + row.text(8),
                     "Without the column it would break every write.",
                     "Let the trigger do without it, or drop it before and make it again after; "
                     "or rename the column with -- zdm: direct.");
    if (row.flag(6) && row.flag(4))
        refuse_piece("trigger " + name + " is BEFORE and names it in WHEN",
                     "It would fire before an application's new column has reached the old one.",
                     "Test the column in its function, or make it an AFTER trigger.");
    if (!row.flag(5)) return;
    if (row.flag(9))
        refuse_piece("constraint trigger " + name + " names it and another table", {},
                     "Drop it before, and make it again after.");
    check_trigger_parts(row);
    const std::string sql = row.text(1);
    const std::string both = TriggerText{sql}.of_also(pg::quote_ident(new_));
    rename.triggers.push_back({name, trigger_again(row, sql), trigger_again(row, both),
                               json_member(name, both + "\n" + row.text(2) + "\n" + row.text(3))});
}

// It is made again on the table, and the server gives it to the partitions.
void RenameReader::check_trigger_parts(const pg::Row& row) const {
    const auto found = ask(kOtherInPartition, {partition_oids(), row.text(0), row.text(2)});
    if (found.empty()) return;
    refuse_piece("trigger " + row.text(0) +
                     " names it, and is enabled otherwise, or has a comment "
                     "of its own, in partition " +
                     found.front().text(0),
                 "It is made again on the table, and so in all partitions.",
                 "Let the partition have it as its table has.");
}

}  // namespace zdm::plan
