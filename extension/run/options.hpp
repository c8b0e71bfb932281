// The options of a migration (zdm_set, zdm_backfill): names, ranges, meaning. Pure.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "backfill/host.hpp"

namespace zdm::run {

// What is wrong with the value, in words; empty when it is good (no value is the default). `hint`
// gets what would be right.
std::string check_option(const std::string& option, const std::optional<std::string>& value,
                         std::string& hint);

// `defaults` with the options on top, for each of the workers at a table. Options must have been
// checked.
backfill::Options apply_options(const std::map<std::string, std::string>& options,
                                backfill::Options defaults);

// What falls to each worker: as many as it takes for the duty asked for, and no more than there may
// be. More of them with longer rests would do the same, in more processes.
backfill::Options for_each_worker(backfill::Options all);

// The quiet period of the gate: the option, or the setting where there is none; in whole seconds,
// up.
std::chrono::seconds quiet_period(const std::map<std::string, std::string>& options,
                                  std::chrono::milliseconds fallback);

}  // namespace zdm::run
