// What a backfill would do, told from a sample of its pages: ranges, never single figures. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "backfill/rounds.hpp"

namespace zdm::backfill {

struct Range {
    double low = 0;
    double high = 0;
};

// `most` different pages of [0, all), one from each of `most` equal parts of it, in random order: a
// sample that is cut short is still one of the whole.
std::vector<std::uint32_t> choose_pages(std::uint32_t all, std::uint32_t most,
                                        std::mt19937_64& random);

// A page of the sample.
struct PageSeen {
    PageFacts facts;
    int matching = 0;  // rows that the predicate selects
};

// Row versions of all pages, 99 % certain: the mean of a sample without replacement with its
// standard error and finite population correction (Cochran, Sampling Techniques, 3rd ed. 1977,
// sections 2.6 and 2.9).
Range all_versions(const std::vector<PageSeen>& sample, std::uint32_t pages);

// Rows that match on all pages, 99 % certain. Pages are clusters of rows, so the share that matches
// is Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22) for the number of independent
// rows that the sample is worth (Kish, Survey Sampling, 1965: rows divided by the design effect),
// with finite population correction. Where all sampled pages agree, each counts as one.
Range matching_rows(const std::vector<PageSeen>& sample, std::uint32_t pages);

// What the SET clause does to a row, seen on sampled ones.
struct RowChange {
    Range growth;            // bytes of a row on its page, in the mean
    Range toast;             // bytes of a row beside it
    Range not_hot;           // share of rows in which a column changes that keeps a change from
                             // being HOT
    double row_bytes = 100;  // the new row on its page, in the mean
};

// One index of the table.
struct IndexSeen {
    double bytes = 0;
    double entries = 0;        // 0: not known
    bool btree = true;         // bottom-up deletion clears it while rows come back
    bool columns_set = false;  // keys change
    double share_of_rows = 1;  // that it has entries for (partial indexes)
};

// What holds for the run as a whole.
struct Surroundings {
    bool rounds = true;            // page rounds can be made
    bool old_horizon = false;      // somebody's snapshot keeps pages from getting ripe
    bool triggers_before = false;  // may change anything in a row
    int row_triggers = 0;          // that are called for each row
    int fillfactor = 100;
    bool full_page_writes = true;
    bool hints_logged = false;  // checksums or wal_log_hints
    bool logical = false;       // wal_level = logical: whole rows in the WAL
    double checkpoint_seconds = 300;
    double max_wal_bytes = 1e9;
    int workers = 1;          // at the table together
    double least_duty = 0.2;  // of each of them, at least and at most
    double most_duty = 0.2;
    double max_rate = 0;      // rows per second of all, 0 = no limit
    double max_wal_rate = 0;  // bytes per second of all, 0 = no limit
    double page_ms = 0.05;    // to read a page and ask for its rows, measured
};

struct Forecast {
    Range rows;
    Range moved;         // share of the rows that go into every index again
    Range wal;           // bytes
    Range table_growth;  // bytes, TOAST included
    Range index_growth;  // bytes
    Range seconds;
    double table_growth_held = 0;  // at most, when a snapshot is held all the time
};

// The forecast of one more partition.
void add(Forecast& all, const Forecast& part);

// `pages` are those of the table; `rows` comes from matching_rows, or is wider.
Forecast forecast(const std::vector<PageSeen>& sample, std::uint32_t pages, Range rows,
                  const RowChange& change, const std::vector<IndexSeen>& indexes,
                  const Surroundings& surroundings);

// What becomes of a page's matching rows.
struct PageFate {
    double stay = 0;  // as HOT updates
    double move = 0;  // to other pages
    int rounds = 0;
};
PageFate go_over(const PageFacts& page, int matching, double growth, bool in_rounds);

}  // namespace zdm::backfill
