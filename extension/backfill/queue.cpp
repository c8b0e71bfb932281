#include "backfill/queue.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace zdm::backfill {

namespace {

// Apart from the locks of users (1, 2) and from the one that means "this process runs the
// migration".
constexpr std::uint16_t kLockClass = 0x5A45;

// Two chunks that share a lock by chance are never at work at the same time, nothing worse.
LOCKTAG tag_of(const Task& task, int chunk) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(task.migration),
                         (static_cast<uint32>(task.step) << 20) ^ static_cast<uint32>(chunk),
                         kLockClass);
    return tag;
}

bool try_lock(const Task& task, int chunk) {
    return pg::call([&] {
        const LOCKTAG tag = tag_of(task, chunk);
        return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
    });
}

}  // namespace

std::optional<Chunk> Queue::take() {
    const auto chunks = open_chunks(task_, from_);
    open_ = static_cast<int>(chunks.size());
    if (!chunks.empty()) from_ = chunks.front().number;
    has_shunned_ = false;
    for (const auto& chunk : chunks) {
        if (shunned_.contains({chunk.leaf.relation, chunk.filenode})) {
            has_shunned_ = true;
            continue;
        }
        if (!try_lock(task_, chunk.number)) continue;
        taken_ = chunk.number;
        // Whoever had it may have finished it between the two looks.
        if (auto now = open_chunk(task_, chunk)) return now;
        give_back();
        --open_;
    }
    return std::nullopt;
}

void Queue::give_back() noexcept {
    if (!taken_) return;
    const int chunk = *taken_;
    taken_.reset();
    try {
        pg::call([&] {
            const LOCKTAG tag = tag_of(task_, chunk);
            LockRelease(&tag, ExclusiveLock, true);
        });
    } catch (...) {
        // The end of the session releases it.
        elog(LOG, "zdm could not give back chunk %d", chunk);
    }
}

}  // namespace zdm::backfill
