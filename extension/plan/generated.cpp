#include "plan/generated.hpp"

#include "plan/text.hpp"

namespace zdm::plan {

namespace {

// A function's body as a literal that can be read.
std::string body_literal(const std::string& body) {
    return body.find("$$") == std::string::npos ? "$$" + body + "$$" : literal(body);
}

}  // namespace

std::string plain_column_sql(const StoredColumn& column) {
    const std::string value = parenthesised(column.expression);
    // The expression names columns, which a trigger's function finds in a row alone.
    const std::string body = "BEGIN SELECT " + value + " INTO NEW." + column.column +
                             " FROM (SELECT NEW.*) AS r; RETURN NEW; END";
    return "ALTER TABLE " + column.table + " ADD COLUMN " + column.column + " " +
           column.definition + (column.not_null ? " NOT NULL" : "") + "; CREATE FUNCTION " +
           column.function + "() RETURNS trigger LANGUAGE plpgsql AS " + body_literal(body) +
           "; CREATE TRIGGER " + column.trigger + " BEFORE INSERT OR UPDATE ON " + column.table +
           " FOR EACH ROW EXECUTE FUNCTION " + column.function + "(); UPDATE " + column.table +
           " SET " + column.column + " = " + value + " WHERE " + column.column + " IS NULL;";
}

}  // namespace zdm::plan
