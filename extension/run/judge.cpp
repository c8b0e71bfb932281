#include <algorithm>

#include "run/gate.hpp"

namespace zdm::run {

namespace {

void shut(Verdict& verdict, const std::string& reason, std::int64_t seconds) {
    verdict.state = GateState::shut;
    if (!verdict.reason.empty()) verdict.reason += " ";
    verdict.reason += reason;
    verdict.open_in_seconds = std::max(verdict.open_in_seconds, seconds);
}

void judge_sync(const Evidence& evidence, const Evidence::Sync& sync, Verdict& verdict) {
    const std::int64_t quiet = evidence.quiet_seconds;
    if (sync.last_acted) {
        const std::int64_t age = evidence.now - *sync.last_acted;
        // The stamp is a whole second: the row may have been written up to one second after it.
        if (age <= quiet && quiet > 0) {
            shut(verdict,
                 "An old application wrote to " + sync.relation + " without the new column " +
                     std::to_string(std::max<std::int64_t>(age, 0)) +
                     " s ago, the quiet period is " + std::to_string(quiet) + " s.",
                 quiet - age + 1);
            return;
        }
    }
    const std::int64_t watched = evidence.now - sync.watched_since;
    if (watched < quiet && evidence.other_sessions > 0)
        shut(verdict,
             "Writes to " + sync.relation + " were watched for only " + std::to_string(watched) +
                 " s of the quiet period of " + std::to_string(quiet) + " s, and " +
                 std::to_string(evidence.other_sessions) + " other sessions are connected.",
             quiet - watched);
}

bool is_small(const Evidence& evidence) {
    return evidence.small_bytes > 0 && evidence.removal_bytes &&
           *evidence.removal_bytes <= evidence.small_bytes;
}

// What nothing can tell: counts, unless the database is as good as new.
void judge_blind(const Evidence& evidence, Verdict& verdict) {
    if (evidence.blind.empty()) return;
    verdict.reason = "zdm can't see " + evidence.blind + ".";
    const int others = evidence.other_sessions + evidence.other_processes;
    if (is_small(evidence) && others == 0) {
        verdict.excused = verdict.reason +
                          " That does not count: nobody else is connected to the database, and "
                          "what the removals touch is at most zdm.small_table in size.";
        verdict.reason.clear();
        return;
    }
    verdict.state = GateState::blind;
    if (is_small(evidence))
        verdict.reason +=
            " The tables are small, so it would not count if nobody else were connected to the "
            "database: " +
            (others == 1 ? std::string{"1 other is."} : std::to_string(others) + " others are.");
}

}  // namespace

Verdict judge(const Evidence& evidence) {
    Verdict verdict;
    for (const auto& sync : evidence.syncs)
        if (sync.readable) judge_sync(evidence, sync, verdict);
    if (verdict.state == GateState::shut) return verdict;
    judge_blind(evidence, verdict);
    for (const auto& sync : evidence.syncs) {
        if (sync.readable) continue;
        verdict.state = GateState::blind;
        verdict.excused.clear();
        if (!verdict.reason.empty()) verdict.reason += " ";
        verdict.reason += "The evidence of writes to " + sync.relation + " is gone.";
    }
    return verdict;
}

}  // namespace zdm::run
