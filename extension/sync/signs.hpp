// Evidence of who is at work on a relation with a sync trigger: sequences in schema zdm. The value
// of two of them is the second (epoch) of the last time. acted_<relation oid>: the trigger had to
// act for an application that doesn't know the columns being filled. wrote_<relation oid>: an
// application wrote one of them itself. The third, differs_<relation oid>, counts rows of which an
// application wrote an old and a new column, and not the same. Sequences, because their value stays
// when the application rolls back, and nobody waits for them.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::sync {

enum class Sign : unsigned char { acted, wrote, differs };
inline constexpr Sign kSigns[] = {Sign::acted, Sign::wrote, Sign::differs};

// Name of the sequence in schema zdm; plain, needs no quotes.
std::string sign_name(Sign sign, std::uint32_t relation);

// Notes the sign for `relation` now, at most once for each second that `last` passes. Never waits;
// without the sequence it does nothing. For the trigger: trivial frames only.
void note(Sign sign, std::uint32_t relation, std::int64_t* last);

// The value of the sign now; -1 when there is none, or while somebody is dropping it. Never waits.
// Trivial frames only.
std::int64_t value_now(Sign sign, std::uint32_t relation);

// Adds to the rows that differ. At the end of a transaction: whoever adds to the same sequence at
// that moment is waited for, which takes as long as to write it. Without the sequence, or while
// somebody is dropping it, it does nothing. Trivial frames only.
void add_differences(std::uint32_t relation, std::int64_t rows);

}  // namespace zdm::sync
