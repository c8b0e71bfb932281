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

}  // namespace

Verdict judge(const Evidence& evidence) {
    Verdict verdict;
    for (const auto& sync : evidence.syncs)
        if (sync.readable) judge_sync(evidence, sync, verdict);
    if (verdict.state == GateState::shut) return verdict;
    std::string blind =
        evidence.blind.empty() ? std::string{} : "zdm can't see " + evidence.blind + ".";
    for (const auto& sync : evidence.syncs)
        if (!sync.readable) {
            if (!blind.empty()) blind += " ";
            blind += "The evidence of writes to " + sync.relation + " is gone.";
        }
    if (!blind.empty()) {
        verdict.state = GateState::blind;
        verdict.reason = blind;
    }
    return verdict;
}

}  // namespace zdm::run
