// The partitions of a partitioned table, or the tables that inherit from one, and what an UPDATE or
// DELETE needs of them: their rows are changed partition by partition, as if the statement named
// each leaf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/clones.hpp"
#include "plan/refusal.hpp"

struct Query;
struct RangeVar;

namespace zdm::plan {

enum class RowEvent { update, remove };

struct RowChange {
    Place at;
    RowEvent event = RowEvent::update;
    std::vector<std::string> columns;  // that are set, not quoted
};

// What the catalogs say of a partition, or child, beyond what the rules need.
struct Member {
    std::string schema;  // as in the catalog, not quoted
    std::string name;
    std::uint32_t schema_oid = 0;
    bool foreign = false;
    bool heap = true;
    bool owned = true;
    bool hidden = false;   // some rows, by row level security
    bool several = false;  // parents
    bool child = false;    // and no partition

    // In messages, before its name.
    std::string called() const { return child ? "child table " : "partition "; }
};

// Notes the partitions of the table and its size in facts, and gives more about each, in the same
// order.
std::vector<Member> list_partitions(Clones& clones, std::size_t table);

struct KeyColumn {
    std::string column;
    std::string table;  // whose partition key it is in
};
// The first of these columns (not quoted) that is in a partition key, of the table or below.
std::optional<KeyColumn> find_key_column(std::uint32_t table,
                                         const std::vector<std::string>& columns);

// ZD107 unless the current user owns the partition, for a reason.
void require_owned(const Partition& partition, const Member& member, const std::string& reason,
                   Place at);

// The same of the tables that inherit from one whose columns change with its own: each belongs to
// the current user, has rows that zdm can fill, and no other parent.
std::vector<Member> list_children(Clones& clones, std::size_t table, Place at);

// Refuses a child that has another parent as well.
void refuse_several(const Table& table, const std::vector<Member>& members, Place at);

// Refuses leaves that zdm can't fill; no trigger or rule sees it.
void check_fill_of_leaves(const Table& table, const std::vector<Member>& members, Place at);

// Refuses what would come out differently, and notes the partitions of the table and their size.
void read_partitions(Clones& clones, std::size_t table, const RowChange& change);

// Refuses what means something else in a leaf: ONLY, and a row as a whole, whose columns may stand
// in another order there.
void refuse_for_leaves(const RangeVar* target, ::Query* query, Place at);

// The columns that an UPDATE sets, not quoted.
std::vector<std::string> columns_set(const ::Query* query);

}  // namespace zdm::plan
