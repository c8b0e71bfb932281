#include "pressure/load.hpp"

#include <unistd.h>

#include <cstdio>

#include "pg/postgres.hpp"

#include "pg/compat.hpp"

namespace zdm::pressure {

namespace {

// A microsecond each, whatever their number: a few thousand reads of shared memory. What changes
// meanwhile is of no matter.
bool is_busy(const PGPROC& process) {
    // An entry that nobody has keeps what it said; only its latch has lost its owner.
    if (process.pid == 0 || process.procLatch.owner_pid != process.pid) return false;
    if (process.databaseId == InvalidOid || &process == MyProc) return false;
    if (pg::compat::is_background_worker(process)) return false;
    if ((process.statusFlags & (PROC_IS_AUTOVACUUM | PROC_IN_LOGICAL_DECODING)) != 0) return false;
    switch (process.wait_event_info & 0xFF000000U) {
    case 0:
    case PG_WAIT_LWLOCK:
    case pg::compat::kWaitBufferPin:
    case PG_WAIT_IPC:
    case PG_WAIT_IO: return true;
    default: return false;
    }
}

}  // namespace

double busy_sessions_per_processor() {
    int busy = 0;
    for (std::uint32_t i = 0; i < ProcGlobal->allProcCount; ++i)
        busy += is_busy(ProcGlobal->allProcs[i]) ? 1 : 0;
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return static_cast<double>(busy) / static_cast<double>(processors > 0 ? processors : 1);
}

std::optional<double> LateMeter::share() {
    std::FILE* const file = std::fopen("/proc/self/schedstat", "re");
    if (file == nullptr) return std::nullopt;
    long long ran = 0;
    long long waited = 0;
    const int found = std::fscanf(file, "%lld %lld", &ran, &waited);
    std::fclose(file);
    if (found != 2 || ran == 0) return std::nullopt;
    const bool first = ran_ns_ < 0;
    const double more = static_cast<double>(ran - ran_ns_);
    const double late = static_cast<double>(waited - waited_ns_);
    // Some milliseconds, or one stumble would count for all.
    if (!first && more + late < 5e6) return std::nullopt;
    ran_ns_ = ran;
    waited_ns_ = waited;
    if (first) return std::nullopt;
    return late / (more + late);
}

}  // namespace zdm::pressure
