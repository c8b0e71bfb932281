#include "plan/ask.hpp"

#include "pg/door.hpp"

namespace zdm::plan {

pg::Result ask(const char* sql, const std::vector<pg::Value>& parameters) {
    const pg::PinnedPath pinned;
    return pg::query(sql, parameters);
}

}  // namespace zdm::plan
