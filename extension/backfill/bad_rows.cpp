#include "backfill/bad_rows.hpp"

#include <chrono>
#include <optional>

#include "backfill/bisect.hpp"
#include "backfill/state.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

namespace zdm::backfill {

namespace {

constexpr std::size_t kExamples = 5;
// More than fit a page of 32 kB, so that a place is one number.
constexpr std::int64_t kPlaces = 2048;

std::int64_t number_of(Tid place) { return std::int64_t{place.block} * kPlaces + place.offset; }

Tid place_of(std::int64_t number) {
    return {static_cast<std::uint32_t>(number / kPlaces),
            static_cast<std::uint16_t>(number % kPlaces)};
}

// Tries rows, or reading a range, and takes it back: the error of a row, or nothing.
std::optional<pg::Error> error_of(Table& table, Host& host, const std::vector<Tid>& rows, Tid from,
                                  Tid end, const std::set<Tid>& passed_over) {
    for (int attempts = 0;; ++attempts) {
        try {
            try_batch(table, host, rows, from, end, passed_over);
            return std::nullopt;
        } catch (const pg::Error& error) {
            if (caused_by_row(error)) return error;
            // Somebody in the way, which says nothing about the rows.
            if (attempts == 5) throw;
        }
        host.sleep(std::chrono::milliseconds{20 << attempts}, {});
    }
}

// The rows that can't be changed, from the rows that a batch tried.
std::vector<BadRow> bad_changes(Table& table, Host& host, std::vector<Tid> rows,
                                const std::set<Tid>& passed_over) {
    std::vector<BadRow> bad;
    while (bad.size() < kExamples && !rows.empty()) {
        std::optional<pg::Error> error;
        const auto n =
            first_failing(static_cast<std::int64_t>(rows.size()), [&](std::int64_t count) {
                const auto failed =
                    error_of(table, host, std::vector<Tid>(rows.begin(), rows.begin() + count), {},
                             {}, passed_over);
                if (failed) error.emplace(*failed);
                return failed.has_value();
            });
        if (n == 0) break;
        bad.push_back({table.leaf().name, rows[static_cast<std::size_t>(n - 1)], {}, *error});
        rows.erase(rows.begin(), rows.begin() + n);
    }
    return bad;
}

// The row on which the predicate fails. Only the first one: those behind it can't be told apart
// from rows that are fine without asking for each.
std::vector<BadRow> bad_reads(Table& table, Host& host, Tid from, Tid end,
                              const std::set<Tid>& passed_over) {
    std::vector<BadRow> bad;
    std::optional<pg::Error> error;
    const std::int64_t first = number_of(from);
    const auto n = first_failing(number_of(end) - first, [&](std::int64_t count) {
        const auto failed = error_of(table, host, {}, from, place_of(first + count), passed_over);
        if (failed) error.emplace(*failed);
        return failed.has_value();
    });
    if (n > 0) bad.push_back({table.leaf().name, place_of(first + n - 1), {}, *error});
    return bad;
}

// A line of DETAIL. The message names the table, so of the leaves only partitions are worth a word.
std::string line(const Task& task, const std::string& relation, const std::string& place,
                 const std::string& key, const std::string& what) {
    return "row " + place + (relation == task.name ? "" : " of " + relation) +
           (key.empty() ? "" : ", " + key) + ": " + what;
}

const char* cannot(const Task& task) {
    return task.set_clause.empty() ? "cannot be deleted" : "cannot be filled";
}

std::string name_of(const Task& task) {
    pg::Transaction transaction;
    std::string name = migration_name(task);
    transaction.commit();
    return name;
}

// What the server said beside the message.
void copy_place(const pg::Error& from, pg::Error& to) {
    to.context = from.context;
    to.schema = from.schema;
    to.table = from.table;
    to.column = from.column;
    to.constraint = from.constraint;
}

}  // namespace

bool caused_by_row(const pg::Error& error) {
    const std::string kind = pg::sqlstate_text(error.sqlstate).substr(0, 2);
    return kind == "22" || kind == "23" || kind == "44" || kind == "P0";
}

std::vector<BadRow> find_bad_rows(Table& table, Host& host, const Batch& batch, Tid end,
                                  const std::set<Tid>& passed_over) {
    auto bad = batch.reading ? bad_reads(table, host, batch.from, end, passed_over)
                             : bad_changes(table, host, batch.rows, passed_over);
    if (bad.empty()) return bad;
    pg::Transaction transaction;
    // Somebody's lock: later, then.
    if (!table.open(false)) return {};
    for (auto& row : bad) row.key = table.key_of(row.place);
    transaction.commit();
    return bad;
}

pg::Error bad_rows_error(const Task& task, const std::vector<BadRow>& bad, bool reading) {
    const pg::Error& first = bad.front().error;
    std::string detail;
    for (const auto& row : bad)
        detail += (detail.empty() ? "" : "\n") +
                  line(task, row.relation, to_text(row.place), row.key, row.error.what());
    const bool one = bad.size() == 1;
    const std::string name = pg::quote_literal(name_of(task));
    pg::Error report{first.sqlstate,
                     "ZD205: " + std::string{one ? "a row" : "rows"} + " of " + task.name + " " +
                         (reading ? "cannot be checked" : cannot(task)) + ": " + first.what(),
                     detail,
                     "Correct " + std::string{one ? "this row" : "these rows"} +
                         " (there may be more), then call zdm_resume(" + name +
                         "). Batches before it stay done." +
                         (task.every_row ? ""
                                         : " zdm_set(" + name +
                                               ", 'max_bad_rows', '100') lets it go on with the "
                                               "others.")};
    copy_place(first, report);
    return report;
}

void pass_over(const Task& task, const std::vector<BadRow>& bad, std::int64_t most) {
    std::int64_t all = 0;
    pg::Transaction transaction;
    for (const auto& row : bad)
        note_bad_row(task, {row.relation, to_text(row.place), row.key,
                            pg::sqlstate_text(row.error.sqlstate), row.error.what()});
    all = count_bad_rows(task);
    transaction.commit();
    if (all <= most) return;
    const pg::Error& first = bad.front().error;
    pg::Error report{first.sqlstate,
                     "ZD205: more than " + std::to_string(most) + " rows of " + task.name + " " +
                         cannot(task) + ": " + first.what(),
                     line(task, bad.front().relation, to_text(bad.front().place), bad.front().key,
                          first.what()) +
                         "\nzdm.bad_rows lists those that were met so far.",
                     "Correct them, or give the option max_bad_rows a higher number with zdm_set, "
                     "then call zdm_resume(" +
                         pg::quote_literal(name_of(task)) + ")."};
    copy_place(first, report);
    throw report;
}

pg::Error passed_over_error(const Task& task) {
    std::vector<NotedRow> some;
    std::int64_t all = 0;
    {
        pg::Transaction transaction;
        some = some_bad_rows(task, static_cast<int>(kExamples));
        all = count_bad_rows(task);
        transaction.commit();
    }
    std::string detail;
    for (const auto& row : some)
        detail += (detail.empty() ? "" : "\n") +
                  line(task, row.relation, row.place, row.key, row.message);
    if (all > static_cast<std::int64_t>(some.size()))
        detail += "\nThese are the first; zdm.bad_rows lists all.";
    char state[6] = "XX000";
    some.front().sqlstate.copy(state, 5);
    return pg::Error{pg::sqlstate(state),
                     "ZD205: " + std::to_string(all) + (all == 1 ? " row" : " rows") + " of " +
                         task.name + " " + cannot(task) + ": " + some.front().message,
                     detail,
                     "Correct " + std::string{all == 1 ? "it" : "them"} +
                         ", then call zdm_resume(" + pg::quote_literal(name_of(task)) +
                         "). All others are done."};
}

}  // namespace zdm::backfill
