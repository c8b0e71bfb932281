// The limits of pressure where a migration says nothing: the settings of the server.
#pragma once

#include "pressure/limits.hpp"

namespace zdm::run {

pressure::Limits default_limits();

}  // namespace zdm::run
