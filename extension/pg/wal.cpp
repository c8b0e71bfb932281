#include "pg/wal.hpp"

#include <unistd.h>

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/error.hpp"
#include "pg/transaction.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "access/xlog.h"
#include "access/xlog_internal.h"
}

namespace zdm::pg {

namespace {

// More than a worker writes at full speed between two calls, in bytes.
constexpr int kAhead = 32 * 1024 * 1024;

bool is_there(XLogSegNo file, TimeLineID timeline) {
    char path[MAXPGPATH];
    XLogFilePath(path, timeline, file, wal_segment_size);
    return access(path, F_OK) == 0;
}

bool make(XLogSegNo file, TimeLineID timeline) {
    try {
        Transaction transaction;
        const int made = call([&] { return XLogFileInit(file, timeline); });
        close(made);
        transaction.commit();
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

bool make_wal_ahead() {
    const TimeLineID timeline = GetWALInsertionTimeLine();
    XLogSegNo file;
    XLByteToSeg(GetXLogInsertRecPtr(), file, wal_segment_size);
    const int files = std::max(1, kAhead / wal_segment_size);
    for (int i = 1; i <= files; ++i)
        if (!is_there(file + i, timeline) && !make(file + i, timeline)) return false;
    return true;
}

}  // namespace zdm::pg
