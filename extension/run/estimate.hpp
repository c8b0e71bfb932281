// What zdm_backfill would do with the same arguments, without doing it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backfill/estimate_model.hpp"

namespace zdm::run {

struct Estimate {
    std::string relation;  // quoted, schema-qualified
    std::int64_t pages = 0;
    std::int64_t pages_sampled = 0;
    std::optional<bool> hot;  // whether changes can leave the indexes alone; none: not known
    int indexes = 0;
    backfill::Forecast forecast;
    std::vector<std::string> triggers;   // of the user, that would fire
    std::optional<std::string> horizon;  // whose old snapshot keeps room from being used again
    std::vector<std::string> notes;
};

// Of a partitioned table it is the sum of what its leaves need, each looked at by itself.
//
// Refuses what zdm_backfill refuses, with the same codes, and ZD313 where somebody has the table
// locked. Takes ACCESS SHARE, waits for it and for all else at most 5 s, and writes nothing.
Estimate estimate(std::uint32_t relation, const std::string& set_clause,
                  const std::optional<std::string>& where_clause,
                  const std::map<std::string, std::string>& options);

}  // namespace zdm::run
