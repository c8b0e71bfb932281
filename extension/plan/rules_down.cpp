// DROP COLUMN with `-- zdm: down`: until contract a reverse rule gives the column its value in rows
// that the new version writes, so that the old version finds it; trigger and column go together.
//
// What NOT NULL becomes: it stays where no row of the new version can lack a value, which takes an
// expression that is never NULL and a column in it that each such row must give (or a default).
// Else it is relaxed, as without a directive: a write of the new version never fails for the old
// one's sake. Where it can't be relaxed, the expression is refused.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"

namespace zdm::plan {

namespace {

[[noreturn]] void refuse_down(const Down& down, const std::string& what, const std::string& detail,
                              const std::string& hint) {
    refuse(down.at, "ZD114", pg::state::kFeatureNotSupported, what, detail, hint);
}

void check_dropped(const DropColumn& drop, const Down& down) {
    if (drop.generated)
        refuse_down(down, "column " + drop.column + " is generated and takes no value", {},
                    "Take the comment out: the server gives it its value until it is dropped.");
    if (drop.checked_domain)
        refuse_down(down, "the type of column " + drop.column + " is a domain with a constraint",
                    "What the new version leaves out must meet it before a trigger can give it a "
                    "value.",
                    "Change its type to that under the domain first.");
    check_down(down, drop.column, drop.column);
}

// Whether the column is carried over into another: a new one that its expression reads.
bool carries(const Composer& composer, const Action& action, const DropColumn& drop,
             const Assignment& fill) {
    return composer.seen().fills.count(&fill) != 0 && contains(drop.down->reads, fill.column) &&
           contains(fill.reads, drop.column) && needs_sync(composer.seen(), action.table, fill);
}

// The columns that make the trigger compute the expression when a row gives one of them: those that
// the column is carried over into, or all that are read when it is into none.
std::vector<std::string> followed(const Composer& composer, const Action& action,
                                  const DropColumn& drop) {
    std::vector<std::string> news;
    for (const auto& other : composer.facts().actions)
        if (const auto* update = std::get_if<Update>(&other.detail);
            update != nullptr && other.table == action.table)
            for (const auto& fill : update->assignments)
                if (carries(composer, action, drop, fill)) news.push_back(fill.column);
    return news.empty() ? drop.down->reads : news;
}

// Why a row of the new version may be left without a value; empty: it can't be.
std::string may_lack(const Composer& composer, const Action& action, const DropColumn& drop) {
    const Down& down = *drop.down;
    if (!down.never_null) return "its -- zdm: down may give NULL";
    if (drop.has_default || down.reads.empty()) return {};
    const auto news = followed(composer, action, drop);
    const bool given = std::any_of(news.begin(), news.end(), [&](const std::string& column) {
        return contains(down.required, column);
    });
    if (given) return {};
    return "a row of the new version may leave out " + join(news);
}

void keep_or_relax(Composer& composer, const Action& action, const DropColumn& drop,
                   const Down& down) {
    if (!drop.not_null) return;
    const std::string why = may_lack(composer, action, drop);
    if (why.empty()) return;
    if (drop.fixed_not_null)
        refuse_down(down, "column " + drop.column + " is NOT NULL, and " + why,
                    "It is in a primary key, or an identity column, so that it can't be made "
                    "nullable until it goes.",
                    "Write coalesce(<expression>, <constant>) over a new column that is NOT NULL.");
    relax_not_null(composer, action, drop.column,
                   why +
                       ": the old version may read NULL; coalesce(..., <constant>) over a new "
                       "column that is NOT NULL would keep " +
                       drop.column + " NOT NULL");
}

}  // namespace

void check_down(const Down& down, const std::string& name, const std::string& column) {
    const std::string subject = "-- zdm: down of " + name;
    if (down.subquery)
        refuse(down.at, "ZD104", pg::state::kFeatureNotSupported, subject + " has a subquery",
               "A trigger computes it in each row that the new version writes, from that row.",
               "Write an expression over the row alone.");
    if (contains(down.reads, column))
        refuse_down(down, subject + " reads " + column + " itself",
                    "It must give the column its value where the new version does not write it.",
                    "Write an expression over the columns that stay.");
    if (!down.unreadable.empty())
        refuse_down(down, subject + " reads " + down.unreadable,
                    "A trigger that runs before the row is written can't know it.",
                    "Write out what it is made of.");
    if (!down.immutable)
        refuse(down.at, "ZD108", pg::state::kFeatureNotSupported,
               subject + " is not IMMUTABLE and could differ by session",
               down.reads.empty() ? "" : column + " is kept in step with " + join(down.reads) + ".",
               "Use an immutable form, e.g. (c AT TIME ZONE 'UTC') where the time zone of the "
               "session counts, or to_char and casts with their settings spelt out.");
    if (!down.not_public.empty())
        refuse(
            down.at, "ZD109", pg::state::kInsufficientPrivilege,
            "not every role may use " + down.not_public + ", which gives " + column + " its value",
            "The trigger that computes it runs as the role that writes the row.",
            "GRANT EXECUTE on the function and USAGE on its schema TO PUBLIC, or use another "
            "expression.");
}

void drop_with_down(Composer& composer, const Action& action, const DropColumn& drop) {
    const Down& down = *drop.down;
    check_dropped(drop, down);
    keep_or_relax(composer, action, drop, down);
    const std::string remark =
        down.may_fail.empty()
            ? ""
            : " (" + down.may_fail + " can make that statement of the new version fail)";
    composer.back(action, drop.column, down.expression, down.reads, down.type, remark);
    composer.with_unsync(
        action,
        {"ALTER TABLE " + composer.table(action).qualified + " DROP COLUMN " + drop.column + ";"},
        action.seen);
}

}  // namespace zdm::plan
