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

struct BadRow {
    Tid place;
    pg::Error error;
};

std::int64_t number_of(Tid place) { return std::int64_t{place.block} * kPlaces + place.offset; }

Tid place_of(std::int64_t number) {
    return {static_cast<std::uint32_t>(number / kPlaces),
            static_cast<std::uint16_t>(number % kPlaces)};
}

// Tries rows, or reading a range, and takes it back: the error of a row, or nothing.
std::optional<pg::Error> error_of(Table& table, Host& host, const std::vector<Tid>& rows, Tid from,
                                  Tid end) {
    for (int attempts = 0;; ++attempts) {
        try {
            try_batch(table, host, rows, from, end);
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
std::vector<BadRow> bad_changes(Table& table, Host& host, std::vector<Tid> rows) {
    std::vector<BadRow> bad;
    while (bad.size() < kExamples && !rows.empty()) {
        std::optional<pg::Error> error;
        const auto n =
            first_failing(static_cast<std::int64_t>(rows.size()), [&](std::int64_t count) {
                const auto failed = error_of(
                    table, host, std::vector<Tid>(rows.begin(), rows.begin() + count), {}, {});
                if (failed) error.emplace(*failed);
                return failed.has_value();
            });
        if (n == 0) break;
        bad.push_back({rows[static_cast<std::size_t>(n - 1)], *error});
        rows.erase(rows.begin(), rows.begin() + n);
    }
    return bad;
}

// The row on which the predicate fails. Only the first one: those behind it can't be told apart
// from rows that are fine without asking for each.
std::vector<BadRow> bad_reads(Table& table, Host& host, Tid from, Tid end) {
    std::vector<BadRow> bad;
    std::optional<pg::Error> error;
    const std::int64_t first = number_of(from);
    const auto n = first_failing(number_of(end) - first, [&](std::int64_t count) {
        const auto failed = error_of(table, host, {}, from, place_of(first + count));
        if (failed) error.emplace(*failed);
        return failed.has_value();
    });
    if (n > 0) bad.push_back({place_of(first + n - 1), *error});
    return bad;
}

}  // namespace

bool caused_by_row(const pg::Error& error) {
    const std::string kind = pg::sqlstate_text(error.sqlstate).substr(0, 2);
    return kind == "22" || kind == "23" || kind == "44" || kind == "P0";
}

void report_bad_rows(const Task& task, Table& table, Host& host, const pg::Error& error,
                     const Batch& batch, Tid end) {
    const bool reading = batch.reading;
    const auto bad =
        reading ? bad_reads(table, host, batch.from, end) : bad_changes(table, host, batch.rows);
    if (bad.empty()) return;
    std::string detail;
    std::string name;
    pg::Transaction transaction;
    if (!table.open(false)) return;
    for (const auto& row : bad)
        detail += (detail.empty() ? "row " : "\nrow ") + table.describe(row.place) + ": " +
                  row.error.what();
    name = migration_name(task);
    transaction.commit();

    const std::string what = reading                   ? "cannot be checked"
                             : task.set_clause.empty() ? "cannot be deleted"
                                                       : "cannot be filled";
    const bool one = bad.size() == 1;
    pg::Error report{error.sqlstate,
                     "ZD205: " + std::string{one ? "a row" : "rows"} + " of " + task.name + " " +
                         what + ": " + bad.front().error.what(),
                     detail,
                     "Correct " + std::string{one ? "this row" : "these rows"} +
                         " (there may be more), then call zdm_resume(" + pg::quote_literal(name) +
                         "). Batches before it stay done."};
    report.context = error.context;
    report.schema = error.schema;
    report.table = error.table;
    report.column = error.column;
    report.constraint = error.constraint;
    throw report;
}

}  // namespace zdm::backfill
