#include "plan/ask.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

namespace zdm::plan {

PinnedText::PinnedText() {
    level_ = pg::call([] {
        const int level = NewGUCNestLevel();
        const char* const settings[][2] = {{"search_path", "pg_catalog, pg_temp"},
                                           {"DateStyle", "ISO"},
                                           {"IntervalStyle", "postgres"},
                                           {"extra_float_digits", "3"}};
        for (const auto& setting : settings)
            set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                              true, 0, false);
        return level;
    });
}

PinnedText::~PinnedText() { AtEOXact_GUC(false, level_); }

pg::Result ask(const char* sql, const std::vector<pg::Value>& parameters) {
    const PinnedText pinned;
    return pg::query(sql, parameters);
}

}  // namespace zdm::plan
