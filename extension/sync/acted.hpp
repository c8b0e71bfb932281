// Evidence that an application is at work that doesn't know the columns being filled: a sequence
// zdm.acted_<relation oid> whose value is the second (epoch) in which its trigger last had to act.
// A sequence, because its value stays when the application rolls back, and nobody waits for it.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::sync {

// Name of the sequence in schema zdm; plain, needs no quotes.
std::string acted_name(std::uint32_t relation);

// Notes that the trigger of `relation` acted now, at most once for each second that `last` passes.
// Never waits; without the sequence it does nothing. For the trigger: trivial frames only.
void note_acted(std::uint32_t relation, std::int64_t* last);

}  // namespace zdm::sync
