#include "pg/fault.hpp"

#ifdef ZDM_FAULTS

#include <csignal>
#include <map>

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "common/hashfn.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/backend_status.h"
}

namespace zdm::pg {

namespace {

constexpr uint32 kWait = 1514425;
constexpr uint32 kDie = 1514426;

// Whether anybody holds pg_advisory_lock(space, hashtext(name)).
bool armed(uint32 space, uint32 key) {
    return call([&] {
        LOCKTAG tag;
        SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, space, key, 2);
        if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL) return true;
        LockRelease(&tag, ShareLock, true);
        return false;
    });
}

// What hashtext() makes of the name.
uint32 key_of(const std::string& name) {
    return call([&] {
        return DatumGetUInt32(hash_any(reinterpret_cast<const unsigned char*>(name.data()),
                                       static_cast<int>(name.size())));
    });
}

void stop_here(const std::string& name) {
    const uint32 key = key_of(name);
    if (armed(kDie, key)) kill(getpid(), SIGKILL);
    if (!armed(kWait, key)) return;
    const std::string shown = "zdm fault " + name;
    call([&] { pgstat_report_appname(shown.c_str()); });
    while (armed(kWait, key)) {
        call([] {
            WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 5,
                      compat::wait_event());
            ResetLatch(MyLatch);
            CHECK_FOR_INTERRUPTS();
        });
        if (armed(kDie, key)) kill(getpid(), SIGKILL);
    }
    call([] { pgstat_report_appname("zdm"); });
}

}  // namespace

void fault_point(const std::string& name) {
    static std::map<std::string, int> times;
    const std::string nth = name + "#" + std::to_string(++times[name]);
    // The list of all points that a run comes by is in the log at this level.
    call([&] { elog(DEBUG1, "zdm fault %s", nth.c_str()); });
    stop_here(name);
    stop_here(nth);
}

}  // namespace zdm::pg

#endif
