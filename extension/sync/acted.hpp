// Evidence of who is at work on a relation with a sync trigger: sequences in schema zdm whose value
// is the second (epoch) of the last time. acted_<relation oid>: the trigger had to act for an
// application that doesn't know the columns being filled. wrote_<relation oid>: an application
// wrote one of them itself. Sequences, because their value stays when the application rolls back,
// and nobody waits for them.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::sync {

enum class Sign : unsigned char { acted, wrote };
inline constexpr Sign kSigns[] = {Sign::acted, Sign::wrote};

// Name of the sequence in schema zdm; plain, needs no quotes.
std::string sign_name(Sign sign, std::uint32_t relation);

// Notes the sign for `relation` now, at most once for each second that `last` passes. Never waits;
// without the sequence it does nothing. For the trigger: trivial frames only.
void note(Sign sign, std::uint32_t relation, std::int64_t* last);

}  // namespace zdm::sync
