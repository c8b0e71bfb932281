#include "backfill/bisect.hpp"

namespace zdm::backfill {

std::int64_t first_failing(std::int64_t most, const std::function<bool(std::int64_t)>& fails) {
    if (most < 1 || !fails(most)) return 0;
    std::int64_t good = 0;
    std::int64_t bad = most;
    while (bad - good > 1) {
        const std::int64_t middle = good + (bad - good) / 2;
        if (fails(middle))
            bad = middle;
        else
            good = middle;
    }
    return bad;
}

}  // namespace zdm::backfill
