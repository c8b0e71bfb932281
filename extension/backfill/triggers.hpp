// The user's triggers of the table that is filled, where its owner wants them to stay silent
// (fire_triggers = false). Whoever owns a table may disable them; here that holds for our own
// statements alone, without a lock on anybody. What the server has made itself fires always:
// foreign keys, constraints that are checked later.
#pragma once

struct ResultRelInfo;
struct EState;
struct TriggerDesc;
struct CachedPlan;

#include <vector>

#include "backfill/direct.hpp"
#include "backfill/tid.hpp"

namespace zdm::backfill {

// Inside pg::call, between ExecutorStart and ExecutorRun.
void silence_user_triggers(ResultRelInfo* target);

// Runs a plan of change_text() on rows without the user's triggers. Inside an SPI connection.
Changed change_silently(CachedPlan* plan, const char* text, const std::vector<Tid>& rows);

}  // namespace zdm::backfill
