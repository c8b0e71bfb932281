#include "backfill/estimate_model.hpp"

#include <algorithm>
#include <cmath>

#include "backfill/tid.hpp"

namespace zdm::backfill {

namespace {

constexpr double kPage = 8192;
constexpr double kUsable = 8168;  // without the page header
constexpr double kLinePointer = 4;
constexpr double kZ = 2.576;  // 99 % of a normal distribution

// Sizes of WAL records, from the server's headers: access/xlogrecord.h (24 for the record, 20 for
// the first page it names, 8 for another one of the same file, 2 for its data), heapam_xlog.h
// (heap_update 14 with 5 of the row's header, heap_lock 8), nbtxlog.h (insert 2).
constexpr double kRecord = 24 + 20 + 2;
constexpr double kLock = kRecord + 8;
constexpr double kUpdate = kRecord + 14 + 5;
constexpr double kOtherPage = 8;
constexpr double kRowHeader = 23;
constexpr double kIndexInsert = kRecord + 2;

// Seconds of work, on the slow side and on the fast one, from runs on small machines: a change that
// is HOT, one that is not, an index entry, a trigger called, a byte of TOAST.
constexpr Range kHotChange{2e-6, 30e-6};
constexpr Range kMove{3e-6, 60e-6};
constexpr Range kEntry{1e-6, 40e-6};
constexpr Range kTrigger{0.5e-6, 50e-6};
constexpr Range kToastByte{3e-9, 60e-9};

double of(const Range& range, bool high) { return high ? range.high : range.low; }

double aligned(double bytes) { return std::ceil(bytes / 8) * 8; }

struct Moments {
    double n = 0;
    double mean = 0;
    double variance = 0;
};

template <typename F>
Moments moments(const std::vector<PageSeen>& sample, F value) {
    Moments m;
    m.n = static_cast<double>(sample.size());
    if (sample.empty()) return m;
    for (const auto& page : sample) m.mean += value(page);
    m.mean /= m.n;
    for (const auto& page : sample) {
        const double off = value(page) - m.mean;
        if (m.n > 1) m.variance += off * off / (m.n - 1);
    }
    return m;
}

// The share of the population that is not in the sample.
double unseen(double sampled, double pages) {
    return pages <= 0 ? 0 : std::clamp(1 - sampled / pages, 0.0, 1.0);
}

Range wilson(double share, double n) {
    const double z2 = kZ * kZ;
    const double middle = (share + z2 / (2 * n)) / (1 + z2 / n);
    const double half = kZ / (1 + z2 / n) * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
    return {std::clamp(middle - half, 0.0, 1.0), std::clamp(middle + half, 0.0, 1.0)};
}

// Rounds that know by now how much longer rows get.
Rounds experienced(double growth) {
    Rounds rounds;
    const int longer = static_cast<int>(std::clamp(std::ceil(growth), 0.0, kPage));
    for (int i = 0; i < 64; ++i) rounds.observe({1, 1, longer});
    return rounds;
}

struct Moves {
    double share = 0;       // of the rows that match
    double rounds = 1;      // in the mean, over pages with rows that match
    double bytes_kept = 0;  // free space of a page that its own rows take, in the mean
};

Moves moves_of(const std::vector<PageSeen>& sample, double growth, bool in_rounds) {
    double rows = 0;
    double moved = 0;
    double rounds = 0;
    double pages = 0;
    for (const auto& page : sample) {
        if (page.matching == 0) continue;
        const PageFate fate = go_over(page.facts, page.matching, growth, in_rounds);
        rows += page.matching;
        moved += fate.move;
        rounds += fate.rounds;
        ++pages;
    }
    if (rows == 0) return {};
    return {moved / rows, rounds / pages, 0};
}

double mean_free(const std::vector<PageSeen>& sample) {
    return moments(sample, [](const PageSeen& page) { return page.facts.free; }).mean;
}

// How many pages have rows that match.
Range pages_changed(const std::vector<PageSeen>& sample, double pages, Range rows) {
    const auto hit = moments(sample, [](const PageSeen& page) { return page.matching > 0; });
    if (hit.n == 0 || rows.high <= 0) return {};
    if (unseen(hit.n, pages) == 0) return {hit.mean * pages, hit.mean * pages};
    Range share = wilson(hit.mean, hit.n);
    // Rows that the sample has not seen may be one on a page.
    return {std::min(share.low * pages, rows.low),
            std::min({share.high * pages, rows.high, pages})};
}

struct Work {
    double rows = 0;
    double moved = 0;    // rows that leave their page
    double entered = 0;  // rows that go into every index
    double pages = 0;    // with rows that match
    double growth = 0;   // bytes of a row
    double toast = 0;    // bytes of a row
    double rounds = 1;
};

// The bytes that the rows which leave their page need elsewhere.
Range heap_growth(const std::vector<PageSeen>& sample, double pages, const Work& least,
                  const Work& most, const RowChange& change, int fillfactor) {
    const double row = change.row_bytes + kLinePointer;
    const double free = mean_free(sample) * pages;
    // What chunks that are done have left behind takes the rows of later ones.
    const double first =
        std::min(1.0, static_cast<double>(chunk_pages(static_cast<std::uint32_t>(pages))) /
                          std::max(pages, 1.0));
    const double need = std::max(least.moved * row * first, least.rows * least.growth) - free;
    const double usable = kUsable * std::clamp(fillfactor, 10, 100) / 100;
    const double per_page = std::max(1.0, std::floor(usable / std::max(row, 1.0)));
    Range growth;
    growth.low = std::max(0.0, need * 0.5);
    // No page is extended by less than itself, and several workers extend beside each other.
    if (most.moved > 0) growth.high = (std::ceil(most.moved / per_page) * 1.03 + 16) * kPage;
    growth.low = std::min(growth.low, growth.high);
    return growth;
}

double entry_bytes(const IndexSeen& index, double versions) {
    const double entries = index.entries > 0 ? index.entries : versions * index.share_of_rows;
    if (entries < 1) return 24;
    return std::clamp(0.9 * index.bytes / entries, 12.0, 2704.0);
}

Range index_growth(const IndexSeen& index, double versions, const Work& least, const Work& most,
                   bool cleared) {
    const double entry = entry_bytes(index, versions);
    const double filled = 0.9 * index.bytes;
    const double entered = most.entered * index.share_of_rows;
    const double bytes = entered * entry;
    Range growth;
    if (entered <= 0) return growth;
    // Pages that were split are about half full at worst, and no entry splits more than one.
    growth.high = std::max(0.0, (filled + bytes) / 0.55 - index.bytes);
    growth.high = std::min(growth.high, entered * kPage);
    if (cleared && index.btree && !index.columns_set)
        growth.high = std::min(growth.high, 4 * bytes);
    growth.high += 8 * kPage;
    // Equal keys share an entry, with 6 bytes for each row.
    if (index.columns_set) {
        const double dense = least.entered * index.share_of_rows * 6;
        growth.low = std::max(0.0, (filled + dense - index.bytes) * 0.5);
    }
    growth.low = std::min(growth.low, growth.high);
    return growth;
}

// WAL without full page images and index splits.
double wal_of(const Work& work, const RowChange& change, const std::vector<IndexSeen>& indexes,
              double versions, const Surroundings& around, bool high) {
    const double whole = std::max(0.0, change.row_bytes - kRowHeader);
    const double hot = std::max(0.0, work.rows - work.entered);
    const double entered_here = std::max(0.0, work.entered - work.moved);
    // Where a row stays on its page only what differs is written, unless it is decoded.
    const double differs = high || around.logical ? whole : std::max(0.0, work.growth);
    const double old = high && around.logical ? change.row_bytes : 0;
    double bytes = work.rows * aligned(kLock);
    bytes += (hot + entered_here) * aligned(kUpdate + differs + old + (high ? 4 : 0));
    bytes += work.moved * (aligned(kUpdate + kOtherPage + whole + old) + (high ? kLock + 2 : 0));
    // Pruning: a redirection or a dead line pointer for each row, a record for each visit.
    bytes += work.rows * (high ? 10 : 0) + work.pages * (high ? 80 * (work.rounds + 1) : 0);
    for (const auto& index : indexes) {
        const double entry = entry_bytes(index, versions);
        bytes +=
            work.entered * index.share_of_rows * aligned(kIndexInsert + (high ? entry + 20 : 12));
    }
    // Chunks of 2000 bytes, each with a record and an entry in an index of its own.
    bytes += work.rows * work.toast * (high ? 1.15 : 1);
    // Commits and progress.
    if (high) bytes += work.rows * 6 + 65536 * 4;
    return bytes;
}

// Full page images: of each page once per checkpoint.
double images(const Work& work, double pages, const std::vector<IndexSeen>& indexes, double growth,
              double seconds, double wal, const Surroundings& around) {
    const double image = kPage + 60;
    const double checkpoints = 1 + std::floor(seconds / std::max(around.checkpoint_seconds, 1.0)) +
                               std::floor(2 * wal / std::max(around.max_wal_bytes, 1.0));
    double bytes = 0;
    if (around.full_page_writes) {
        bytes += (work.pages * std::min(checkpoints, 2.0) + 64) * image;
        for (const auto& index : indexes) {
            const double touched = std::min(work.entered * index.share_of_rows,
                                            (index.bytes / kPage + 1) * checkpoints);
            bytes += touched * image;
        }
    }
    // Hint bits of pages that are only read.
    if (around.hints_logged) bytes += pages * image;
    // The second half of a page that is split is written as a whole.
    return bytes + growth * 1.2;
}

double seconds_of(const Work& work, double pages, const std::vector<IndexSeen>& indexes,
                  const Surroundings& around, bool high) {
    const double survey_ms = around.page_ms * (high ? 2 : 0.3);
    double busy = pages * survey_ms / 1000;
    busy += work.pages * std::max(0.0, work.rounds - (high ? 0 : 1)) * survey_ms / 1000;
    busy += (work.rows - work.moved) * of(kHotChange, high) + work.moved * of(kMove, high);
    for (const auto& index : indexes) busy += work.entered * index.share_of_rows * of(kEntry, high);
    busy += work.rows * around.row_triggers * of(kTrigger, high);
    busy += work.rows * work.toast * of(kToastByte, high);
    const int workers = high ? 1 : std::max(1, around.workers);
    double seconds =
        busy / std::clamp(high ? around.least_duty : around.most_duty, 0.01, 1.0) / workers;
    if (around.max_rate > 0)
        seconds = std::max(seconds, work.rows / around.max_rate * (high ? 1.15 : 1));
    // Making a plan, starting a worker, transactions of others that are waited for.
    return seconds + (high ? 2 : 0.05);
}

// The least or the most work that it may be.
Work work_of(const std::vector<PageSeen>& sample, double pages, Range rows, const RowChange& change,
             const Surroundings& around, bool high) {
    Work work;
    work.rows = of(rows, high);
    work.growth = of(change.growth, high);
    work.toast = of(change.toast, high);
    work.pages = of(pages_changed(sample, pages, rows), high);
    const bool in_rounds = around.rounds && (high ? change.not_hot.high < 0.5 : true);
    const bool patient = in_rounds && !(high && around.old_horizon);
    const Moves moves = moves_of(sample, work.growth, patient);
    work.rounds = moves.rounds;
    // Rows that come from other pages take room, rows of others come and go meanwhile.
    double share = high ? moves.share * 1.5 + 0.03 : moves.share * 0.6;
    // Rows that were not in the sample may lie otherwise.
    if (high && rows.high > 0 && moves.share == 0 && sample.empty()) share = 1;
    if (high && around.triggers_before) share = 1;
    share = std::clamp(share, 0.0, 1.0);
    work.moved = work.rows * share;
    const double blocked = of(change.not_hot, high);
    work.entered = work.rows * std::max(blocked, share);
    return work;
}

}  // namespace

std::vector<std::uint32_t> choose_pages(std::uint32_t all, std::uint32_t most,
                                        std::mt19937_64& random) {
    std::vector<std::uint32_t> pages;
    const std::uint32_t n = std::min(all, most);
    pages.reserve(n);
    for (std::uint64_t i = 0; i < n; ++i) {
        const auto first = static_cast<std::uint32_t>(i * all / n);
        const auto end = static_cast<std::uint32_t>((i + 1) * all / n);
        pages.push_back(std::uniform_int_distribution<std::uint32_t>{first, end - 1}(random));
    }
    std::shuffle(pages.begin(), pages.end(), random);
    return pages;
}

Range all_versions(const std::vector<PageSeen>& sample, std::uint32_t pages) {
    const auto m = moments(sample, [](const PageSeen& page) { return page.facts.rows; });
    if (m.n == 0) return {};
    const double left = unseen(m.n, pages);
    const double error = kZ * std::sqrt(m.variance / m.n * left);
    const double seen = m.mean * m.n;
    return {std::max(seen, (m.mean - error) * pages), (m.mean + error) * pages};
}

Range matching_rows(const std::vector<PageSeen>& sample, std::uint32_t pages) {
    const auto rows = moments(sample, [](const PageSeen& page) { return page.facts.rows; });
    const auto matching = moments(sample, [](const PageSeen& page) { return page.matching; });
    const double found = std::round(matching.mean * matching.n);
    const double left = unseen(rows.n, pages);
    if (rows.mean <= 0 || left == 0) return {found, found};
    const double share = std::min(1.0, matching.mean / rows.mean);
    // What the pages differ by, beside what as many independent rows would: the design effect.
    const auto off = moments(
        sample, [&](const PageSeen& page) { return page.matching - share * page.facts.rows; });
    const double independent = rows.mean * share * (1 - share);
    const double all = rows.mean * rows.n;
    double worth = rows.n;
    if (independent > 0 && off.variance > 0)
        worth = std::clamp(all * independent / off.variance, std::min(rows.n, all), all);
    const Range shares = wilson(share, worth / left);
    const Range versions = all_versions(sample, pages);
    return {std::max(found, std::floor(shares.low * versions.low)),
            std::round(shares.high * versions.high)};
}

PageFate go_over(const PageFacts& page, int matching, double growth, bool in_rounds) {
    PageFate fate;
    const Rounds rounds = experienced(growth);
    PageFacts now = page;
    const double row = std::max(8.0, page.row_bytes + growth);
    const double old = std::max(0.0, page.row_bytes - kLinePointer);
    double free = page.free;
    int left = matching;
    while (left > 0) {
        now.free = static_cast<int>(std::max(0.0, free));
        const bool all = !in_rounds || fate.rounds + 1 == Rounds::kMost;
        const int taken = all ? left : rounds.quota(now, left);
        const double stay = std::clamp(std::floor(free / row), 0.0, static_cast<double>(taken));
        fate.stay += stay;
        fate.move += taken - stay;
        // The old versions are pruned before the next round; their line pointers stay.
        free += taken * old - stay * row;
        left -= taken;
        ++fate.rounds;
    }
    return fate;
}

Forecast forecast(const std::vector<PageSeen>& sample, std::uint32_t pages, Range rows,
                  const RowChange& change, const std::vector<IndexSeen>& indexes,
                  const Surroundings& around) {
    Forecast f;
    f.rows = rows;
    const double all = pages;
    const double versions = all_versions(sample, pages).high;
    if (rows.high <= 0) {
        f.seconds = {seconds_of({}, all, indexes, around, false),
                     seconds_of({}, all, indexes, around, true)};
        f.wal.high = images({}, all, {}, 0, 0, 0, around) + 4 * 65536;
        return f;
    }
    const Work least = work_of(sample, all, rows, change, around, false);
    const Work most = work_of(sample, all, rows, change, around, true);
    f.moved = {least.rows > 0 ? least.entered / least.rows
                              : std::min(change.not_hot.low, most.entered / most.rows),
               most.entered / most.rows};

    f.table_growth = heap_growth(sample, all, least, most, change, around.fillfactor);
    // What pruning and vacuum have freed beside the table takes some.
    f.table_growth.low += least.rows * least.toast * 0.5;
    f.table_growth.high += most.toast > 0 ? most.rows * most.toast * 1.1 + 8 * kPage : 0;
    Surroundings held = around;
    held.old_horizon = true;
    const Work worst = work_of(sample, all, rows, change, held, true);
    f.table_growth_held = heap_growth(sample, all, least, worst, change, around.fillfactor).high +
                          (f.table_growth.high -
                           heap_growth(sample, all, least, most, change, around.fillfactor).high);

    const bool cleared = around.rounds && !around.old_horizon && change.not_hot.high < 0.5;
    for (const auto& index : indexes) {
        const Range growth = index_growth(index, versions, least, most, cleared);
        f.index_growth.low += growth.low;
        f.index_growth.high += growth.high;
    }
    f.seconds = {seconds_of(least, all, indexes, around, false),
                 seconds_of(most, all, indexes, around, true)};
    f.wal.low = wal_of(least, change, indexes, versions, around, false);
    f.wal.high = wal_of(most, change, indexes, versions, around, true);
    f.wal.high +=
        images(most, all, indexes, f.index_growth.high, f.seconds.high, f.wal.high, around);
    if (around.max_wal_rate > 0) {
        f.seconds.low = std::max(f.seconds.low, f.wal.low / around.max_wal_rate);
        f.seconds.high = std::max(f.seconds.high, 1.15 * f.wal.high / around.max_wal_rate);
    }
    return f;
}

void add(Forecast& all, const Forecast& part) {
    const double before = all.rows.low + all.rows.high;
    const double more = part.rows.low + part.rows.high;
    const double share = more > 0 ? more / (before + more) : 0;
    all.moved.low += (part.moved.low - all.moved.low) * share;
    all.moved.high += (part.moved.high - all.moved.high) * share;
    for (const auto range : {&Forecast::rows, &Forecast::wal, &Forecast::table_growth,
                             &Forecast::index_growth, &Forecast::seconds}) {
        (all.*range).low += (part.*range).low;
        (all.*range).high += (part.*range).high;
    }
    all.table_growth_held += part.table_growth_held;
}

}  // namespace zdm::backfill
