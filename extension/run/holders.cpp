#include "run/holders.hpp"

#include <cmath>

namespace zdm::run {

plan::LockMode lock_mode_of_server(std::string_view name) {
    constexpr std::string_view kNames[] = {"",
                                           "AccessShareLock",
                                           "RowShareLock",
                                           "RowExclusiveLock",
                                           "ShareUpdateExclusiveLock",
                                           "ShareLock",
                                           "ShareRowExclusiveLock",
                                           "ExclusiveLock",
                                           "AccessExclusiveLock"};
    for (int mode = 1; mode <= 8; ++mode)
        if (kNames[mode] == name) return static_cast<plan::LockMode>(mode);
    return plan::LockMode::none;
}

const Holder* hopeless(const std::vector<Holder>& holders, plan::LockMode mode,
                       double deadline_ms) {
    for (const auto& holder : holders)
        if (plan::conflicts(holder.mode, mode) && !holder.autovacuum && holder.age_ms > deadline_ms)
            return &holder;
    return nullptr;
}

std::string describe(const Holder& holder) {
    std::string text;
    if (holder.pid == 0) {
        text = "a prepared transaction (";
    } else {
        text = "pid " + std::to_string(holder.pid) + " (";
        text += holder.application.empty() ? "no application name" : holder.application;
        if (!holder.role.empty()) text += ", role " + holder.role;
        if (!holder.state.empty()) text += ", " + holder.state;
        text += ", transaction ";
    }
    text += "open for " + std::to_string(static_cast<long>(std::lround(holder.age_ms / 1000))) +
            " s) holds ";
    text += plan::to_text(holder.mode);
    text += " on " + holder.relation;
    if (!holder.query.empty()) text += "; last query: " + holder.query;
    return text;
}

}  // namespace zdm::run
