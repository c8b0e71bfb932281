#include "backfill/leaves.hpp"

#include <algorithm>

#include "backfill/state.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"

namespace zdm::backfill {

namespace {

// Partitions that are being detached are none any more. A table may be below another one in more
// than one way; $2 says whether children count.
constexpr auto kLeaves =
    "WITH RECURSIVE tree(relation) AS (SELECT $1::oid UNION"
    " SELECT i.inhrelid FROM tree t JOIN pg_class p ON p.oid = t.relation"
    "    AND (p.relkind = 'p' OR $2) JOIN pg_inherits i ON i.inhparent = t.relation WHERE NOT "
    "i.inhdetachpending)"
    "SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relfilenode, c.relkind = 'p',"
    "       c.relkind = 'r' AND c.relam = (SELECT a.oid FROM pg_am a WHERE a.amname = 'heap')"
    "       AND pg_has_role(c.relowner, 'USAGE')"
    "  FROM tree t JOIN pg_class c ON c.oid = t.relation"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY c.oid";

}  // namespace

std::vector<Listed> list_leaves(const Task& task) {
    const pg::PinnedPath pinned;
    const auto found = pg::query(kLeaves, {std::int64_t{task.relation}, task.tree});
    bool there = false;
    std::vector<Listed> leaves;
    for (const auto& row : found.rows) {
        Listed listed;
        listed.leaf = {static_cast<std::uint32_t>(row.number(0)), row.text(1)};
        listed.filenode = static_cast<std::uint32_t>(row.number(2));
        listed.fillable = row.flag(4);
        if (listed.leaf.relation == task.relation) {
            there = true;
            if (listed.leaf.name != task.name)
                throw gone(task.name, "is called " + listed.leaf.name + " now");
            // What it is stored as is found when it is opened.
            listed.fillable = true;
        }
        if (!row.flag(3)) leaves.push_back(listed);
    }
    if (!there) throw gone(task.name, "was dropped");
    return leaves;
}

pg::Error not_fillable(const Task& task, const Leaf& leaf) {
    return pg::Error{
        pg::state::kFeatureNotSupported,
        "ZD204: " + task.called() + leaf.name + " is no table of the migration's owner",
        "Somebody attached it after the migration was planned: a foreign table, one "
        "of another owner, or one that is not stored as a heap.",
        "Detach it, or give it to the migration's owner; then call zdm_resume."};
}

void let_go(const Task& task, std::uint32_t relation, const std::string& what_happened) {
    list_leaves(task);
    if (let_go_chunks(task, relation) > 0)
        add_event(task, what_happened + ": its rows are none of " + task.name + " any more");
}

}  // namespace zdm::backfill
