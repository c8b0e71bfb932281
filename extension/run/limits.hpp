// Options of a migration as far as the server has a say: its settings are their defaults, and it
// knows time zones and SQL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pressure/limits.hpp"
#include "pressure/monitor.hpp"

namespace zdm::run {

// The limits of pressure where a migration says nothing.
pressure::Limits default_limits();

// Throws ZD601 when an option can't have this value.
void require_option(const std::string& option, const std::optional<std::string>& value);

// All signals as they are now, so change none of them before: for a migration, with its options and
// its table, or with the defaults.
std::vector<pressure::Monitor::Shown> look_at_pressure(const std::optional<std::string>& name);

}  // namespace zdm::run
