#include "pressure/archive.hpp"

#include "pressure/words.hpp"

namespace zdm::pressure {

Reading judge_archive(const Archive& archive, double limit) {
    Reading reading;
    reading.value = archive.on ? static_cast<double>(archive.ready) : 0;
    if (limit > 0) reading.limit = limit;
    if (!archive.on) return reading;
    std::string trouble;
    if (archive.without_command)
        trouble = "archive_command is empty";
    else if (archive.failing)
        trouble = "archiving " + archive.last_failed + " failed";
    reading.reason = trouble;
    if (limit <= 0 || *reading.value <= limit) return reading;
    reading.tripped = true;
    reading.reason = std::to_string(archive.ready) + " WAL files wait to be archived (limit " +
                     count_text(limit) + ")" + (trouble.empty() ? "" : ", " + trouble);
    return reading;
}

}  // namespace zdm::pressure
