// The end of a DELETE, which has no last pass. It reads the table once more, and again as long as
// somebody is in the way of rows: rows that were locked, or moved by whoever had them, in this run
// or another one, and those that were passed over.
#pragma once

#include <cstdint>

#include "backfill/work.hpp"

namespace zdm::backfill {

// `left`: rows that match even then. Throws ZD205 for rows that can't be deleted.
SweepEnd finish_delete(const Task& task, Work& work, std::int64_t& left);

}  // namespace zdm::backfill
