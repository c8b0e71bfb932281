// Rules are tried on up to some hundred rows: these are copied into a temporary table, which has
// the new columns too, and each rule is one UPDATE there, so that values are cast as an assignment
// casts them. All of it in the subtransaction of the rehearsal.
#include "plan/ask.hpp"
#include "plan/rehearsal.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/describe.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"
#include "plan/trial.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// Of pages that are spread over the table, the first rows: no more than that is read.
constexpr auto kPlaces =
    " WHERE ctid = ANY (ARRAY(SELECT DISTINCT ('(' || p * (b.blocks - 1) / 19 || ',' || o || "
    "')')::tid FROM (SELECT greatest(pg_relation_size($1::oid::regclass) /"
    " current_setting('block_size')::bigint, 1) AS blocks) b,"
    " generate_series(0::bigint, 19) p,"
    " generate_series(1, greatest(20, least(300 / b.blocks, 290))) o)) LIMIT 300";

constexpr auto kKey =
    "SELECT pg_catalog.quote_ident(a.attname), a.attname FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
    " WHERE i.indrelid = $1::oid AND i.indisprimary"
    " ORDER BY pg_catalog.array_position(i.indkey::pg_catalog.int2[], a.attnum)";

bool is_about_row(const pg::Error& error) {
    const std::string kind = pg::sqlstate_text(error.sqlstate).substr(0, 2);
    return kind == "22" || kind == "23" || kind == "44" || kind == "P0";
}

// An expression that names its table, or needs what a role lacks: that says nothing about rows.
bool is_about_text(const pg::Error& error) {
    return pg::sqlstate_text(error.sqlstate).substr(0, 2) == "42";
}

class Tryout {
public:
    Tryout(const Relation& relation, const std::string& qualified, const Trial& trial,
           const std::string& name)
        : relation_(relation), qualified_(qualified), trial_(trial), table_("pg_temp." + name) {}

    // Notes about rows that come back differently. Throws pg::Error ZD115 for a row on which a rule
    // fails.
    std::vector<std::string> run() {
        copy_rows();
        std::vector<std::string> notes;
        bool known = true;
        int number = 0;
        for (const auto& rule : trial_.rules) {
            const std::string target =
                rule.way == Way::up ? rule.column : "zdm_back_" + std::to_string(++number);
            // What goes down is computed from what went up.
            if (rule.way == Way::down && !known) continue;
            if (!try_rule(rule, target, notes))
                known = false;
            else if (rule.way == Way::down)
                compare(rule, target, notes);
        }
        return notes;
    }

private:
    void copy_rows() {
        std::string made = "zdm_place text, zdm_key text";
        std::string names;
        int number = 0;
        for (const auto& column : trial_.reads) {
            const auto facts = describe_column(relation_.oid, unquoted(column));
            if (!facts) continue;
            made += ", " + column + " " + facts->definition;
            names += ", " + column;
        }
        for (const auto& column : trial_.columns) {
            made += ", " + column.column + " " + column.definition;
            if (!column.default_text.empty() && !has_rule(trial_, column.column))
                made += " DEFAULT " + column.default_text;
        }
        for (const auto& rule : trial_.rules)
            if (rule.way == Way::down)
                made += ", zdm_back_" + std::to_string(++number) + " " +
                        describe_column(relation_.oid, unquoted(rule.column))->definition;
        run_own("CREATE TEMPORARY TABLE " + table_ + " (" + made + ")");
        const std::string copy = "INSERT INTO " + table_ + " (zdm_place, zdm_key" + names +
                                 ") SELECT ctid::text, " + key() + names + " FROM ONLY " +
                                 qualified_ + kPlaces;
        pg::query(copy.c_str(), {std::int64_t{relation_.oid}});
    }

    std::string key() const {
        std::string list;
        for (const auto& column : ask(kKey, {std::int64_t{relation_.oid}}).rows)
            list += ", concat(" + literal(column.text(1) + " = ") + ", " + column.text(0) + ")";
        return list.empty() ? "''" : "concat_ws(', '" + list + ")";
    }

    // False: the server can't run it here.
    bool try_rule(const TriedRule& rule, const std::string& target,
                  std::vector<std::string>& notes) {
        const std::string sql = trial_sql(rule, table_, target);
        try {
            pg::Subtransaction attempt;
            pg::query(sql.c_str());
            attempt.commit();
            return true;
        } catch (const pg::Error& error) {
            if (is_about_text(error)) {
                notes.push_back(place_text(rule.at) + what(rule) +
                                " could not be tried on rows: " + error.what());
                return false;
            }
            if (!is_about_row(error)) throw;
            name_row(rule, sql, error);
        }
    }

    // One row after the other, to find the one.
    [[noreturn]] void name_row(const TriedRule& rule, const std::string& sql,
                               const pg::Error& first) {
        const std::string one =
            sql + (rule.condition.empty() ? " WHERE " : " AND ") + "zdm_place = $1";
        const auto rows =
            pg::query(("SELECT zdm_place, zdm_key FROM " + table_ + " ORDER BY ctid").c_str());
        for (const auto& row : rows.rows) {
            try {
                pg::Subtransaction attempt;
                pg::query(one.c_str(), {row.text(0)});
            } catch (const pg::Error& error) {
                if (!is_about_row(error)) throw;
                refuse_row(rule, error, row_text(row.text(0), row.text(1)));
            }
        }
        refuse_row(rule, first, "a row");
    }

    static std::string what(const TriedRule& rule) {
        if (rule.way == Way::down) return "-- zdm: down of " + rule.column;
        return "the value of " + (rule.shown.empty() ? rule.column : rule.shown);
    }

    static std::string row_text(const std::string& place, const std::string& key) {
        return "row " + place + (key.empty() ? "" : ", " + key);
    }

    [[noreturn]] void refuse_row(const TriedRule& rule, const pg::Error& error,
                                 const std::string& row) const {
        refuse(rule.at, "ZD115", error.sqlstate,
               what(rule) + " can't be computed for a row of " + qualified_ + ": " + error.what(),
               "It is " + row + ". Writes of applications would fail in the same way.",
               "Correct the row, or write an expression that takes such values too, e.g. CASE "
               "WHEN ... THEN ... END.");
    }

    // What an old value becomes on its way up and down again.
    void compare(const TriedRule& rule, const std::string& target,
                 std::vector<std::string>& notes) const {
        const std::string sql =
            "SELECT count(*), count(*) FILTER (WHERE zdm_differs), (array_agg("
            "zdm_place) FILTER (WHERE zdm_differs))[1], (array_agg(zdm_key) FILTER "
            "(WHERE zdm_differs))[1] FROM (SELECT *, record_image_ne(ROW(" +
            rule.column + "), ROW(" + target + ")) AS zdm_differs FROM " + table_ +
            " ORDER BY ctid) t";
        const auto found = pg::query(sql.c_str());
        const auto& row = found.front();
        if (row.number(1) == 0) return;
        notes.push_back(place_text(rule.at) + row.text(1) + " of " + row.text(0) +
                        " rows tried would not get the same " + rule.column + " back, e.g. " +
                        row_text(row.text(2), row.text(3)));
    }

    const Relation& relation_;
    const std::string& qualified_;
    const Trial& trial_;
    std::string table_;
};

// The rows of a partitioned table are in other tables, some of those of one with children too:
// those of one will do. Null: it has none, or the table itself has the most.
const Partition* largest_leaf(const Table& table) {
    const Partition* largest = nullptr;
    for (const auto& partition : table.partitions)
        if (partition.leaf && (largest == nullptr || partition.rows > largest->rows))
            largest = &partition;
    if (table.has_children && largest != nullptr && largest->rows <= table.rows) return nullptr;
    return largest;
}

}  // namespace

void Rehearsal::try_rules() {
    for (const auto& trial : trials(facts_)) {
        const Table& table = clones_.table(trial.table);
        Relation relation = clones_.relation(trial.table);
        std::string qualified = table.qualified;
        if (relation.oid == 0 || relation.dropped) continue;
        const Partition* const leaf = largest_leaf(table);
        if (table.partitioned && leaf == nullptr) continue;
        if (leaf != nullptr) {
            relation.oid = leaf->oid;
            qualified = leaf->qualified;
        }
        try {
            pg::Subtransaction attempt;
            const pg::PinnedPath pinned;
            Tryout tryout{relation, qualified, trial, clones_.free_name("zdm_trial")};
            for (const auto& text : tryout.run()) facts_.notes.push_back(text);
        } catch (const pg::Error& error) {
            if (!is_about_text(error) || std::string_view{error.what()}.substr(0, 2) == "ZD") throw;
        }
    }
}

}  // namespace zdm::plan
