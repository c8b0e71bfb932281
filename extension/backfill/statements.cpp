#include "backfill/statements.hpp"

namespace zdm::backfill {

namespace {

// CASE keeps the predicate away from indexes (a partial index on "c IS NULL" would be read as a
// whole by each batch) and its subqueries from becoming joins. The line break ends a comment.
std::string matches(const std::string& predicate) {
    return "CASE WHEN (" + predicate + "\n) THEN true ELSE false END";
}

// The same where rows are read; rests now and then (strokes.hpp). Inside the CASE, since the
// planner puts conditions beside each other into an order of its own, and before the predicate,
// since most rows may not match.
std::string found(const std::string& predicate) {
    return "CASE WHEN zdm.stroke(ctid) AND (" + predicate + "\n) THEN true ELSE false END";
}

}  // namespace

std::string own_name(const std::string& qualified) {
    bool quoted = false;
    for (std::size_t i = 0; i < qualified.size(); ++i) {
        if (qualified[i] == '"') quoted = !quoted;
        if (qualified[i] == '.' && !quoted) return qualified.substr(i + 1);
    }
    return qualified;
}

std::string named_as(const std::string& relation, const std::string& known_as) {
    return relation == known_as ? relation : relation + " AS " + own_name(known_as);
}

std::string survey_text(const std::string& relation, const std::string& predicate) {
    return "SELECT ctid FROM ONLY " + relation +
           " WHERE ctid OPERATOR(pg_catalog.>=) $1 AND ctid OPERATOR(pg_catalog.<) $2 AND " +
           found(predicate);
}

// The rows are locked first, all in the subquery that runs once, without those that others have
// locked: what the UPDATE then touches is ours already, so that it cannot wait. A row that somebody
// changed after the statement's snapshot comes out of the subquery with its new place, which the
// snapshot does not see: it is left for the next visit. RETURNING sees the rows as triggers left
// them: the proof, row by row, that the change was not taken back.
std::string change_text(const std::string& relation, const std::string& set_clause,
                        const std::string& predicate, bool key_columns) {
    const bool deletes = set_clause.empty();
    const std::string strength = deletes || key_columns ? "UPDATE" : "NO KEY UPDATE";
    const std::string action = deletes ? "DELETE FROM ONLY " + relation
                                       : "UPDATE ONLY " + relation + " SET " + set_clause + "\n";
    return "WITH changed AS (" + action +
           " WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT ctid FROM ONLY " + relation +
           " WHERE ctid OPERATOR(pg_catalog.=) ANY ($1) AND " + found(predicate) + " FOR " +
           strength + " SKIP LOCKED)) AND zdm.stroke(ctid) RETURNING " +
           (deletes ? "false" : matches(predicate)) +
           " AS still) SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE still)"
           " FROM changed";
}

std::string direct_text(const std::string& relation, const std::string& set_clause,
                        const std::string& predicate) {
    return "UPDATE ONLY " + relation + " SET " + set_clause +
           "\n WHERE ctid OPERATOR(pg_catalog.=) ANY ($1) AND " + found(predicate) + " RETURNING " +
           matches(predicate);
}

}  // namespace zdm::backfill
