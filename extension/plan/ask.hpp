// Questions to the catalogs. The planner runs under the search_path of the user, where somebody may
// have put operators of his own before those of the server: these don't.
#pragma once

#include <vector>

#include "pg/spi.hpp"

namespace zdm::plan {

// While in scope, what the server writes means the same in every session: names are qualified,
// dates, intervals and numbers unambiguous. Nothing that the user wrote may be read in it.
class PinnedText {
public:
    PinnedText();
    ~PinnedText();
    PinnedText(const PinnedText&) = delete;
    PinnedText& operator=(const PinnedText&) = delete;

private:
    int level_ = 0;
};

// pg::query with pinned text.
pg::Result ask(const char* sql, const std::vector<pg::Value>& parameters = {});

}  // namespace zdm::plan
