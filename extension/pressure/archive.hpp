// WAL files that wait for the archiver. Pure.
//
// Each file that we fill is one more to archive, so waiting relieves an archiver that is behind. Of
// one that fails it keeps the disk from filling until somebody has mended it; as long as little
// waits, a failure holds nobody back.
#pragma once

#include <cstdint>
#include <string>

#include "pressure/signal.hpp"

namespace zdm::pressure {

struct Archive {
    bool on = false;
    bool failing = false;          // the last attempt was a failure
    std::int64_t ready = 0;        // files
    std::string last_failed;       // the file, where failing
    bool without_command = false;  // neither archive_command nor archive_library is set
};

Reading judge_archive(const Archive& archive, double limit);

}  // namespace zdm::pressure
