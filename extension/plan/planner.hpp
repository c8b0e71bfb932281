// From the SQL of a migration to its plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "plan/plan.hpp"

namespace zdm::plan {

struct PlanOptions {
    std::int64_t small_table_bytes =
        0;  // tables below this are changed directly where that is safe
};

// Plans the SQL of a migration, as the current user under the current settings (search_path, ...).
// Changes nothing. Throws pg::Error: ZD0nn for what can't be read, ZD1nn for what is refused.
Plan make_plan(const std::string& sql, const PlanOptions& options);

// The plan of one batched UPDATE of a relation: `set_clause` as after SET, `where_clause` as after
// WHERE. Each is parsed alone and deparsed, never pasted.
Plan make_backfill_plan(std::uint32_t relation, const std::string& set_clause,
                        const std::optional<std::string>& where_clause);

}  // namespace zdm::plan
