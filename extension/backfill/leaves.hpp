// The leaf partitions of a table. Read from the catalogs without a lock: nobody waits for those
// that others have locked, and each is checked again when it is opened.
#pragma once

#include <vector>

#include "backfill/table.hpp"
#include "backfill/task.hpp"

namespace zdm::backfill {

struct Listed {
    Leaf leaf;
    std::uint32_t filenode = 0;
    bool fillable = true;  // a heap that the current user owns
};

// All leaves of the task's table as they are now, sub-partitions included, the oldest first; the
// table itself where it is not partitioned, with all that inherit from it where the task says so.
// In a transaction of the caller. Throws ZD204 when the table is gone or has another name.
std::vector<Listed> list_leaves(const Task& task);

// ZD204 about a partition that came while the migration ran and can't be filled.
pg::Error not_fillable(const Task& task, const Leaf& leaf);

// Ends the chunks of a partition that is none of the table's any more, and says so once. In a
// transaction of the caller. Throws ZD204 when it is the table that is gone.
void let_go(const Task& task, std::uint32_t relation, const std::string& what_happened);

}  // namespace zdm::backfill
