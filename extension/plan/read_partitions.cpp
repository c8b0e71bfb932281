#include "plan/read_partitions.hpp"

#include <map>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/read_data.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// Without locks: nobody waits for a partition that somebody has locked. Partitions that are being
// detached are none any more.
#define ZDM_TREE                                                                        \
    "WITH RECURSIVE tree(oid, depth) AS (SELECT $1::pg_catalog.oid, 0 UNION ALL SELECT" \
    " i.inhrelid, t.depth + 1 FROM tree t JOIN pg_catalog.pg_inherits i"                \
    " ON i.inhparent = t.oid WHERE NOT i.inhdetachpending)"

constexpr auto kMembers = ZDM_TREE
    "SELECT c.oid, n.nspname, c.relname, n.oid, h.inhparent, c.relkind = 'p', c.relkind = 'f',"
    " coalesce(a.amname, 'heap') = 'heap' AND c.relpersistence <> 't', "
    "pg_catalog.pg_has_role(c.relowner, 'USAGE'),"
    " pg_catalog.row_security_active(c.oid), c.reltuples::bigint,"
    " c.relpages * pg_catalog.current_setting('block_size')::bigint,"
    " EXISTS (SELECT FROM pg_catalog.pg_inherits o WHERE o.inhrelid = c.oid"
    "  AND o.inhparent <> h.inhparent)"
    " FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid AND t.depth > 0"
    " JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam ORDER BY t.depth, c.oid";

// The columns of a partition key, those in its expressions too, hang on their table so.
constexpr auto kKeyColumns = ZDM_TREE
    "SELECT pg_catalog.quote_ident(k.attname),"
    " pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
    " FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind = 'p'"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "  AND d.objid = c.oid AND d.objsubid > 0"
    "  AND d.refclassid = d.classid AND d.refobjid = c.oid AND d.refobjsubid = 0"
    "  AND d.deptype = 'i'"
    " JOIN pg_catalog.pg_attribute k ON k.attrelid = c.oid AND k.attnum = d.objsubid"
    " WHERE k.attname = ANY ($2::pg_catalog.text[]) ORDER BY c.oid, k.attnum LIMIT 1";

// Triggers for the statement: of a partitioned table they would not fire, of what is below a table
// they would; $2 is their bit in tgtype. And rules for it; $4 is their event.
constexpr auto kForStatement = ZDM_TREE
    ", own AS (SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' ||"
    "  pg_catalog.quote_ident(c.relname) AS name FROM tree t"
    "  JOIN pg_catalog.pg_class c ON c.oid = t.oid AND (c.relkind = 'p') = (c.oid = $1::oid)"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)"
    "SELECT 'the statement trigger ' || pg_catalog.quote_ident(g.tgname), o.name, o.oid"
    " FROM own o JOIN pg_catalog.pg_trigger g ON g.tgrelid = o.oid"
    " WHERE NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')"
    "  AND g.tgtype::int & 1 = 0 AND g.tgtype::int & $2::int <> 0"
    "  AND (g.tgattr::pg_catalog.text = '' OR EXISTS (SELECT FROM pg_catalog.pg_attribute k"
    "    WHERE k.attrelid = g.tgrelid AND k.attnum = ANY (g.tgattr)"
    "     AND k.attname = ANY ($3::pg_catalog.text[])))"
    " UNION ALL SELECT 'the rule ' || pg_catalog.quote_ident(r.rulename), o.name, o.oid"
    " FROM own o JOIN pg_catalog.pg_rewrite r ON r.ev_class = o.oid"
    " WHERE r.ev_type::pg_catalog.text = $4 AND r.ev_enabled IN ('O', 'A') ORDER BY 3, 1 LIMIT 1";

#undef ZDM_TREE

void check_leaf(const Partition& leaf, const Member& member, Place at) {
    if (member.foreign || !member.heap)
        refuse(at, "ZD106", pg::state::kWrongObjectType,
               member.called() + leaf.qualified +
                   (member.foreign ? " is a foreign table" : " is not stored as a heap"),
               "zdm changes rows of heap tables only.",
               "Name the others one by one, and change this one where its rows are.");
    require_owned(leaf, member, "Its rows are changed in it itself.", at);
    if (member.hidden)
        refuse(at, "ZD106", pg::state::kFeatureNotSupported,
               "row level security hides rows of " + member.called() + leaf.qualified + " from you",
               {},
               "ALTER TABLE " + leaf.qualified +
                   " NO FORCE ROW LEVEL SECURITY for the time of the migration, or run it as a "
                   "role with BYPASSRLS.");
}

// One that somebody has locked is not waited for: it is checked again before each batch.
void check_published(const Partition& partition, const RowChange& change) {
    const Oid leaf = partition.oid;
    if (!pg::call([&] { return ConditionalLockRelationOid(leaf, AccessShareLock); })) return;
    refuse_without_identity(leaf, partition.qualified, change.event == RowEvent::remove, change.at);
    // Thousands of leaves would fill the table of locks.
    pg::call([&] { UnlockRelationOid(leaf, AccessShareLock); });
}

void check_leaves(const Table& table, const std::vector<Member>& members, const RowChange& change) {
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (!table.partitions[i].leaf) continue;
        check_leaf(table.partitions[i], members[i], change.at);
        check_published(table.partitions[i], change);
    }
}

void refuse_moves(std::uint32_t table, const RowChange& change) {
    const auto key = find_key_column(table, change.columns);
    if (!key) return;
    refuse(change.at, "ZD113", pg::state::kFeatureNotSupported,
           "this UPDATE sets " + key->column + ", a column of the partition key of " + key->table,
           "Rows would move from one partition to another, which zdm does not do in batches.",
           "Leave " + key->column +
               " out of SET; move rows with statements of your own, a few at a time.");
}

void refuse_for_statement(std::uint32_t table, const RowChange& change) {
    constexpr std::int64_t kDeleteBit = 8;
    constexpr std::int64_t kUpdateBit = 16;
    const bool update = change.event == RowEvent::update;
    const auto found = ask(kForStatement, {std::int64_t{table}, update ? kUpdateBit : kDeleteBit,
                                           change.columns, std::string{update ? "2" : "4"}});
    if (found.empty()) return;
    const pg::Row& row = found.front();
    const bool of_leaf = static_cast<std::uint32_t>(row.number(2)) != table;
    refuse(change.at, "ZD112", pg::state::kFeatureNotSupported,
           row.text(0) + " of " + row.text(1) + " belongs to the statement as a whole",
           of_leaf ? "Rows are changed table by table, so it would act, where a statement on the "
                     "table above would leave it alone."
                   : "Rows are changed in the partitions one by one, so it would be left out.",
           "Use a trigger FOR EACH ROW, disable it for the time of the migration, or name the "
           "tables one by one.");
}

struct WholeRow {
    int depth;
};

bool finds_whole_row(Node* node, void* context) {
    auto* const whole = static_cast<WholeRow*>(context);
    if (node == nullptr) return false;
    if (IsA(node, Var)) {
        const auto* const var = castNode(Var, node);
        return var->varno == 1 && static_cast<int>(var->varlevelsup) == whole->depth &&
               var->varattno == 0;
    }
    if (IsA(node, Query)) {
        ++whole->depth;
        const bool found = pg::compat::walk_query(castNode(Query, node), finds_whole_row, context);
        --whole->depth;
        return found;
    }
    return pg::compat::walk(node, finds_whole_row, context);
}

}  // namespace

std::vector<Member> list_partitions(Clones& clones, std::size_t table) {
    Table& facts = clones.table(table);
    facts.partitions.clear();
    // Those of a table with children are its own.
    if (facts.partitioned) {
        facts.rows.reset();
        facts.bytes.reset();
    }
    std::map<std::uint32_t, std::size_t> places;
    std::vector<Member> members;
    for (const auto& row : ask(kMembers, {std::int64_t{facts.oid}}).rows) {
        Partition partition;
        partition.oid = static_cast<std::uint32_t>(row.number(0));
        // By way of two parents.
        if (places.count(partition.oid) != 0) continue;
        partition.qualified = pg::quote_qualified(row.text(1), row.text(2));
        const auto parent = places.find(static_cast<std::uint32_t>(row.number(4)));
        if (parent != places.end()) partition.parent = parent->second;
        partition.leaf = !row.flag(5);
        // Never analysed is not empty.
        if (partition.leaf && row.number(10) >= 0) {
            partition.rows = row.number(10);
            partition.bytes = row.number(11);
            if (facts.partitioned) {
                facts.rows = facts.rows.value_or(0) + row.number(10);
                facts.bytes = facts.bytes.value_or(0) + row.number(11);
            }
        }
        members.push_back({row.text(1), row.text(2), static_cast<std::uint32_t>(row.number(3)),
                           row.flag(6), row.flag(7), row.flag(8), row.flag(9), row.flag(12),
                           facts.has_children});
        places[partition.oid] = facts.partitions.size();
        facts.partitions.push_back(std::move(partition));
    }
    return members;
}

std::optional<KeyColumn> find_key_column(std::uint32_t table,
                                         const std::vector<std::string>& columns) {
    const auto found = ask(kKeyColumns, {std::int64_t{table}, columns});
    if (found.empty()) return std::nullopt;
    return KeyColumn{found.front().text(0), found.front().text(1)};
}

void require_owned(const Partition& partition, const Member& member, const std::string& reason,
                   Place at) {
    if (member.owned) return;
    refuse(
        at, "ZD107", pg::state::kInsufficientPrivilege,
        "must be owner of " + member.called() + partition.qualified, reason,
        "Give all of them the same owner: ALTER TABLE " + partition.qualified + " OWNER TO ...;");
}

std::vector<Member> list_children(Clones& clones, std::size_t table, Place at) {
    auto members = list_partitions(clones, table);
    const Table& facts = clones.table(table);
    refuse_several(facts, members, at);
    for (std::size_t i = 0; i < members.size(); ++i) {
        const Partition& child = facts.partitions[i];
        if (members[i].foreign || !members[i].heap)
            refuse(
                at, "ZD106", pg::state::kWrongObjectType,
                "child table " + child.qualified + " is a foreign or temporary table, or no heap",
                "zdm can't fill its rows.", "Run the statement directly.");
        require_owned(child, members[i], "It is changed with the table above.", at);
    }
    return members;
}

void refuse_several(const Table& table, const std::vector<Member>& members, Place at) {
    for (std::size_t i = 0; i < members.size(); ++i)
        if (members[i].several)
            refuse(at, "ZD105", pg::state::kFeatureNotSupported,
                   "child table " + table.partitions[i].qualified + " of " + table.qualified +
                       " inherits from more than one table",
                   "What the other one hands down would meet what this migration does.",
                   "Run the statement directly, with a short lock_timeout.");
}

void check_fill_of_leaves(const Table& table, const std::vector<Member>& members, Place at) {
    check_leaves(table, members, {at, RowEvent::update, {}});
    if (!table.has_children) return;
    for (const auto& child : table.partitions) refuse_rules(child.oid, child.qualified, false, at);
}

void read_partitions(Clones& clones, std::size_t table, const RowChange& change) {
    const auto members = list_partitions(clones, table);
    const Table& facts = clones.table(table);
    if (facts.has_children) refuse_several(facts, members, change.at);
    check_leaves(facts, members, change);
    if (change.event == RowEvent::update) refuse_moves(facts.oid, change);
    refuse_for_statement(facts.oid, change);
}

void refuse_for_leaves(const RangeVar* target, ::Query* query, Place at) {
    if (!target->inh)
        refuse(at, "ZD104", pg::state::kFeatureNotSupported,
               "ONLY is not supported where a table has partitions or children", {},
               "Leave ONLY out: rows are changed in all of them.");
    WholeRow whole{-1};
    const bool found =
        pg::call([&] { return finds_whole_row(reinterpret_cast<Node*>(query), &whole); });
    if (found)
        refuse(at, "ZD104", pg::state::kFeatureNotSupported,
               "a row of a table with partitions or children can't be used as a whole in batches",
               "Its columns may stand in another order in these.", "Name the columns.");
}

std::vector<std::string> columns_set(const ::Query* query) {
    std::vector<std::string> columns;
    for (int i = 0; i < list_length(query->targetList); ++i) {
        const auto* const target = static_cast<TargetEntry*>(list_nth(query->targetList, i));
        if (!target->resjunk && target->resname != nullptr) columns.emplace_back(target->resname);
    }
    return columns;
}

}  // namespace zdm::plan
