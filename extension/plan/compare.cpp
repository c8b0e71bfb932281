#include "plan/compare.hpp"

#include <algorithm>
#include <set>

#include "plan/text.hpp"

namespace zdm::plan {

namespace {

void add_once(std::vector<std::string>& names, const std::string& name) {
    if (!name.empty() && !contains(names, name)) names.push_back(name);
}

std::string any(const std::vector<std::string>& terms) {
    return terms.size() == 1 ? terms.front() : "(" + join(terms, " OR ") + ")";
}

std::string wrong(const Following& rule) {
    const std::string differs = differs_from(rule.column, rule.expression, rule.type);
    if (rule.condition.empty()) return differs;
    return "(" + parenthesised(rule.condition) + " AND " + differs + ")";
}

bool are_pair(const Following& rule, const Going& old) {
    return old.reversed && contains(rule.reads, old.column) && contains(old.reads, rule.column);
}

// The new column of a rule that is no pair: the new application may have written it alone.
std::string not_arrived(const Following& rule, const std::vector<const Going*>& read) {
    std::vector<std::string> somewhere = {rule.column + " IS NULL"};
    for (const auto* old : read) add_once(somewhere, old->given);
    return "(" + wrong(rule) + " AND " + any(somewhere) + ")";
}

// A new value that the old columns don't have. Where one was given by a rule of the user's own,
// whatever it gave stands for the value.
std::string lost(const Following& rule, const std::vector<Going>& olds) {
    const std::string there = rule.column + " IS NOT NULL";
    for (const auto& old : olds)
        if (old.foreign && are_pair(rule, old))
            return "CASE WHEN " + there + " AND (" + old.column + " IS NULL OR " +
                   differs_from(old.column, old.expression, old.type) + ") THEN " + wrong(rule) +
                   " ELSE false END";
    return "(" + there + " AND " + wrong(rule) + ")";
}

// Rules that are pairs, by each other or by way of others: a split, a merge.
struct Group {
    std::vector<const Following*> news;
    std::vector<const Going*> olds;

    std::string differs() const {
        std::vector<std::string> up;
        std::vector<std::string> down;
        bool known = true;
        for (const auto* rule : news) add_once(up, wrong(*rule));
        for (const auto* old : olds) {
            known = known && !old->type.empty();
            add_once(down, differs_from(old->column, old->expression, old->type));
        }
        const bool foreign =
            std::any_of(olds.begin(), olds.end(), [](const Going* old) { return old->foreign; });
        // Not AND, whose sides the server may ask in any order.
        if (known && foreign)
            return "CASE WHEN " + any(down) + " THEN " + any(up) + " ELSE false END";
        // The same the other way round, as in a rename, says nothing more.
        const bool same = news.size() == 1 && olds.size() == 1 &&
                          news[0]->expression == olds[0]->column &&
                          olds[0]->expression == news[0]->column;
        return known && !same ? "(" + any(up) + " AND " + any(down) + ")" : any(up);
    }
};

Group take_group(const Following& first, const std::vector<const Following*>& all,
                 const std::vector<Going>& olds, std::set<const Following*>& taken) {
    Group group;
    taken.insert(&first);
    group.news.push_back(&first);
    for (std::size_t i = 0; i < group.news.size(); ++i)
        for (const auto& old : olds) {
            if (!are_pair(*group.news[i], old)) continue;
            if (std::find(group.olds.begin(), group.olds.end(), &old) != group.olds.end()) continue;
            group.olds.push_back(&old);
            for (const auto* other : all)
                if (are_pair(*other, old) && taken.insert(other).second)
                    group.news.push_back(other);
        }
    return group;
}

}  // namespace

std::string differs_from(const std::string& column, const std::string& expression,
                         const std::string& type) {
    return "pg_catalog.record_image_ne(ROW(" + column + "), ROW((" + expression + ")" +
           (type.empty() ? "" : "::" + type) + "))";
}

std::string shown(const std::vector<std::string>& columns) {
    // A function takes at most 100 arguments.
    constexpr std::size_t kAtOnce = 40;
    std::vector<std::string> objects;
    for (std::size_t from = 0; from < columns.size(); from += kAtOnce) {
        std::vector<std::string> pairs;
        for (std::size_t i = from; i < std::min(columns.size(), from + kAtOnce); ++i)
            pairs.push_back(literal(unquoted(columns[i])) + ", pg_catalog.left(" + columns[i] +
                            "::pg_catalog.text, 1000)");
        objects.push_back("pg_catalog.jsonb_build_object(" + join(pairs) + ")");
    }
    return join(objects, " OPERATOR(pg_catalog.||) ");
}

std::string given(const std::string& column, const std::string& default_text,
                  const std::string& type) {
    const std::string there = column + " IS NOT NULL";
    if (default_text.empty()) return there;
    return "(" + there + " AND " + differs_from(column, default_text, type) + ")";
}

Comparison compare(const std::vector<Following>& news, const std::vector<Going>& olds) {
    std::vector<const Following*> all;
    for (const auto& rule : news) all.push_back(&rule);
    Comparison result;
    std::vector<std::string> terms;
    std::set<const Following*> taken;
    for (const auto* rule : all) {
        if (taken.count(rule) != 0) continue;
        std::vector<const Going*> read;
        bool paired = false;
        for (const auto& old : olds) {
            if (!contains(rule->reads, old.column)) continue;
            read.push_back(&old);
            paired = paired || are_pair(*rule, old);
        }
        if (read.empty()) continue;
        for (const auto* old : read) add_once(result.olds, old->column);
        if (!paired) {
            add_once(result.news, rule->column);
            terms.push_back(not_arrived(*rule, read));
            continue;
        }
        const Group group = take_group(*rule, all, olds, taken);
        for (const auto* member : group.news) add_once(result.news, member->column);
        for (const auto* old : group.olds) add_once(result.olds, old->column);
        terms.push_back(group.differs());
    }
    if (terms.empty()) return result;
    result.differs = any(terms);
    std::vector<std::string> losses;
    for (const auto& rule : news)
        if (contains(result.news, rule.column)) add_once(losses, lost(rule, olds));
    result.lost = any(losses);
    return result;
}

}  // namespace zdm::plan
