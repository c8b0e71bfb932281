#include "plan/equal_indexes.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"

#include "pg/postgres.hpp"

namespace zdm::plan {

namespace {

// What the server compares (CompareIndexInfo); columns by their names, as they may stand in another
// order. Not the order of sorting.
#define ZDM_LOOK(i, c)                                                  \
    "ROW(" i ".indisunique, " i ".indnullsnotdistinct, " c ".relam, " i \
    ".indnkeyatts,"                                                     \
    " ARRAY(SELECT a.attname FROM unnest(" i                            \
    ".indkey::int2[]) WITH ORDINALITY AS k(attnum, n)"                  \
    "  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = " i          \
    ".indrelid AND a.attnum = k.attnum"                                 \
    "  ORDER BY k.n), " i                                               \
    ".indcollation::oid[],"                                             \
    " ARRAY(SELECT o.opcfamily FROM unnest(" i                          \
    ".indclass::oid[]) WITH ORDINALITY AS k(oid, n)"                    \
    "  JOIN pg_catalog.pg_opclass o ON o.oid = k.oid ORDER BY k.n),"    \
    " pg_catalog.pg_get_expr(" i ".indexprs, " i                        \
    ".indrelid),"                                                       \
    " pg_catalog.pg_get_expr(" i ".indpred, " i ".indrelid))"

// $1 the index on the clone, $2 the leaves, $3 the kind of constraint that it must serve: '' none.
constexpr auto kEqual =
    "SELECT i.indrelid, i.indexrelid FROM pg_catalog.pg_index w"
    " JOIN pg_catalog.pg_class wc ON wc.oid = w.indexrelid"
    " JOIN pg_catalog.pg_index i ON i.indrelid = ANY ($2::text[]::oid[]) AND i.indisvalid"
    "  AND i.indimmediate = w.indimmediate"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition"
    " WHERE w.indexrelid = $1::oid"
    " AND coalesce((SELECT k.contype::text FROM pg_catalog.pg_constraint k"
    "  WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid"
    "  AND k.contype IN ('p', 'u', 'x')), '') = $3"
    " AND " ZDM_LOOK("i", "c") " IS NOT DISTINCT FROM " ZDM_LOOK("w",
                                                                 "wc") " ORDER BY i.indexrelid";

#undef ZDM_LOOK

// $1 an index; those that are attached to it, over all levels.
constexpr auto kAttached =
    "WITH RECURSIVE tree(oid) AS (SELECT inhrelid FROM pg_catalog.pg_inherits"
    "  WHERE inhparent = $1::oid UNION ALL SELECT i.inhrelid FROM tree t"
    "  JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid)"
    " SELECT i.indrelid, i.indexrelid FROM tree t JOIN pg_catalog.pg_index i"
    "  ON i.indexrelid = t.oid ORDER BY i.indexrelid";

PartitionIndex describe(std::size_t partition, std::uint32_t index) {
    const IndexFacts facts = describe_index(index);
    return {partition, facts.name, facts.schema, facts.tail};
}

const char* constraint_type(IndexRole role) {
    switch (role) {
    case IndexRole::index: return "";
    case IndexRole::unique_key: return "u";
    case IndexRole::primary_key: return "p";
    }
    return "";
}

}  // namespace

void find_equal(const Table& table, std::uint32_t made, IndexRole role,
                std::vector<PartitionIndex>& partitions) {
    std::vector<std::string> leaves;
    for (const auto& partition : table.partitions)
        if (partition.leaf) leaves.push_back(std::to_string(partition.oid));
    const auto found =
        ask(kEqual, {std::int64_t{made}, leaves, std::string{constraint_type(role)}});
    for (auto& own : partitions)
        for (const auto& row : found.rows) {
            if (static_cast<std::uint32_t>(row.number(0)) != table.partitions[own.partition].oid)
                continue;
            own = describe(own.partition, static_cast<std::uint32_t>(row.number(1)));
            break;
        }
}

std::vector<PartitionIndex> parts_of_key(const Table& table, std::uint32_t index) {
    const auto found = ask(kAttached, {std::int64_t{index}});
    std::vector<PartitionIndex> parts;
    for (std::size_t i = 0; i < table.partitions.size(); ++i)
        for (const auto& row : found.rows)
            if (static_cast<std::uint32_t>(row.number(0)) == table.partitions[i].oid)
                parts.push_back(describe(i, static_cast<std::uint32_t>(row.number(1))));
    return parts;
}

}  // namespace zdm::plan
