#include "backfill/estimate.hpp"

#include <algorithm>
#include <chrono>

#include "backfill/bad_rows.hpp"
#include "backfill/statements.hpp"
#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/pg_am.h"
#include "optimizer/optimizer.h"
#include "utils/plancache.h"
}

namespace zdm::backfill {

namespace {

using Clock = std::chrono::steady_clock;

// Pages of the sample, and for how long at most to read them (predicates may be slow).
constexpr std::uint32_t kPages = 300;
constexpr std::chrono::milliseconds kPatience{3000};
constexpr std::size_t kLeastPages = 10;
// Rows whose new values are computed.
constexpr std::size_t kRows = 120;
// Smaller tables are filled in one go (engine.cpp).
constexpr std::uint32_t kFewPages = 128;

std::mt19937_64 fresh_random() {
    std::uint64_t seed = 0;
    if (!pg_strong_random(&seed, sizeof(seed))) seed = static_cast<std::uint64_t>(MyProcPid);
    return std::mt19937_64{seed};
}

double ms_since(Clock::time_point began) {
    return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

// Reads the sampled pages. `ask`: also asks which of their rows match; some of those go to `rows`.
void read_pages(Table& table, bool ask, const std::vector<std::uint32_t>& blocks,
                std::mt19937_64& random, Look& look, std::vector<Tid>& rows) {
    // The first survey is planned, which is no cost of a page.
    if (ask && !blocks.empty()) table.survey({0, 0}, {0, 1}, 0);
    const auto began = Clock::now();
    for (const std::uint32_t block : blocks) {
        pg::check_for_interrupts();
        std::vector<Tid> found;
        if (ask) found = table.survey({block, 0}, {block + 1, 0}, 0);
        PageSeen page;
        page.facts = table.look({Tid{block, 1}}).front();
        page.matching = ask ? static_cast<int>(found.size()) : page.facts.rows;
        look.sample.push_back(page);
        for (int i = 0; i < 2 && !found.empty() && rows.size() < kRows; ++i) {
            const auto last = found.size() - 1;
            const auto at = std::uniform_int_distribution<std::size_t>{0, last}(random);
            rows.push_back(found[at]);
            found.erase(found.begin() + static_cast<std::ptrdiff_t>(at));
        }
        if (look.sample.size() >= kLeastPages && Clock::now() - began > kPatience) break;
    }
    if (!look.sample.empty())
        look.page_ms = ms_since(began) / static_cast<double>(look.sample.size());
}

// The same, with the predicate if that may be asked. Leaves nothing changed.
void read_sample(const Task& task, const Leaf& leaf, Table& table, Look& look,
                 std::vector<Tid>& rows) {
    std::mt19937_64 random = fresh_random();
    const auto blocks = choose_pages(look.pages, kPages, random);
    bool ask = true;
    if (is_volatile("SELECT FROM ONLY " + named_as(leaf.name, task.name) + " WHERE (" +
                    task.predicate + "\n)")) {
        look.notes.push_back(
            "WHERE calls a volatile function, which is not done for an estimate: any number of "
            "rows may match.");
        ask = false;
    }
    if (ask) {
        try {
            const ReadOnly guard;
            read_pages(table, true, blocks, random, look, rows);
        } catch (const pg::Error& error) {
            look.notes.push_back(why_not("WHERE", error));
            look.sample.clear();
            rows.clear();
            ask = false;
        }
    }
    if (!ask) read_pages(table, false, blocks, random, look, rows);
    look.rows = matching_rows(look.sample, look.pages);
    if (!ask) look.rows.low = 0;
}

// The table's indexes; the number of rows that partial ones have comes from the last ANALYZE.
void read_indexes(const Leaf& leaf, const std::vector<Assigned>& assigned, Look& look) {
    std::vector<std::string> columns;
    for (const auto& a : assigned) columns.push_back(a.column);
    const pg::PinnedPath pinned;
    const auto found = pg::query(
        "SELECT pg_relation_size(i.indexrelid), c.reltuples, c.relam = 403, i.indpred IS NOT NULL,"
        "       t.reltuples,"
        "       i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR EXISTS (SELECT FROM "
        "pg_attribute a"
        "         WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
        "           AND quote_ident(a.attname) = ANY ($2))"
        "  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        "  JOIN pg_class t ON t.oid = i.indrelid"
        " WHERE i.indrelid = $1::oid AND i.indisready",
        {std::int64_t{leaf.relation}, columns});
    for (const auto& row : found.rows) {
        IndexSeen index;
        index.bytes = row.real(0);
        index.entries = std::max(0.0, row.real(1));
        index.btree = row.flag(2);
        const double all = row.real(4);
        if (row.flag(3) && all > 0) index.share_of_rows = std::min(1.0, index.entries / all);
        index.columns_set = row.flag(5);
        look.indexes.push_back(index);
    }
}

}  // namespace

struct ReadOnly::Scope {
    pg::Subtransaction attempt;
};

ReadOnly::ReadOnly() : scope_(std::make_unique<Scope>()) {
    pg::call([] {
        set_config_option("transaction_read_only", "on", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_LOCAL, true, 0, false);
    });
}

ReadOnly::~ReadOnly() = default;

std::string why_not(const char* clause, const pg::Error& error) {
    if (error.sqlstate == pg::sqlstate("25006"))
        return std::string{clause} + " writes, which is not done for an estimate: " + error.what() +
               ".";
    if (!caused_by_row(error)) throw error;
    return std::string{clause} + " can't be computed for every row: " + error.what() +
           " (the backfill would stop there with ZD205).";
}

bool is_volatile(const std::string& query) {
    pg::Spi spi;
    SavedPlan plan;
    plan.make(query, {});
    const bool found = pg::call([&] {
        ListCell* cell = nullptr;
        foreach (cell, SPI_plan_get_plan_sources(plan.get())) {
            auto* const source = static_cast<CachedPlanSource*>(lfirst(cell));
            if (contain_volatile_functions(reinterpret_cast<Node*>(source->query_list)))
                return true;
        }
        return false;
    });
    plan.forget();
    spi.finish();
    return found;
}

Look look_at(const Task& task, const Leaf& leaf, const std::vector<Assigned>& assigned) {
    Look look;
    Table table{task};
    table.aim(leaf);
    if (!table.open(false))
        throw pg::Error{pg::state::kLockNotAvailable,
                        "ZD313: table " + leaf.name + " is locked by another transaction",
                        "Somebody holds or waits for ACCESS EXCLUSIVE on it.",
                        "Try again when that transaction has ended."};
    look.pages = table.blocks();
    std::vector<Tid> rows;
    read_sample(task, leaf, table, look, rows);
    read_indexes(leaf, assigned, look);
    look_at_rows(task, leaf, assigned, rows, look);
    look.rounds = !look.indexed && look.pages >= kFewPages;
    return look;
}

}  // namespace zdm::backfill
