// Rows of zdm.signal, through the door.
#pragma once

#include <vector>

#include "pressure/monitor.hpp"

namespace zdm::pressure {

// Writes these signals of a running step, in the transaction around it. Since when one trips stays
// as it was for as long as it does.
void store_signals(const Subject& subject, const std::vector<Monitor::Shown>& signals);

}  // namespace zdm::pressure
