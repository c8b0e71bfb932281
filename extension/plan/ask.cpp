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

// With the index scans that the rehearsal has switched off for what it replays: without them each
// question reads whole catalogs, and a table may have thousands of partitions.
pg::Result ask(const char* sql, const std::vector<pg::Value>& parameters) {
    const PinnedText pinned;
    pg::call([] {
        for (const char* const name :
             {"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"})
            set_config_option(name, "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                              false);
        // Its guesses of how many rows come are far too high.
        set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                          false);
    });
    return pg::query(sql, parameters);
}

}  // namespace zdm::plan
