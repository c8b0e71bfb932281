// What backfill, last pass and count have in common: batches one after the other, with rests,
// checks, retries and words about what holds them back between them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>

#include "backfill/batch.hpp"
#include "backfill/governor.hpp"
#include "backfill/host.hpp"
#include "backfill/pace.hpp"
#include "backfill/progress.hpp"
#include "backfill/ripeness.hpp"
#include "backfill/state.hpp"
#include "backfill/table.hpp"
#include "backfill/task.hpp"
#include "pressure/announcer.hpp"
#include "pressure/load.hpp"
#include "pressure/monitor.hpp"

namespace zdm::backfill {

// A row of some leaf.
struct Row {
    Leaf leaf;
    Tid place;
};

enum class SweepEnd { finished, stopped, rewritten };

class Work {
public:
    // `helper`: others work at the step as well, and one of them speaks for it.
    Work(const Task& task, Host& host, bool helper = false);

    // Turns to a leaf of the task's table: what follows is about that one.
    void aim(const Leaf& leaf) { table_.aim(leaf); }

    // Opens the table for reading in a transaction of its own, waiting outside of it while somebody
    // has it locked, and runs f inside. False: told to stop.
    bool with_table(const std::function<void(Table&)>& f);

    // Runs f in a transaction of its own.
    void in_transaction(const std::function<void()>& f);

    struct Sweep {
        std::uint32_t filenode = 0;
        std::string stage = "backfill";
        bool look_only = false;
        const Rounds* rounds = nullptr;             // take only a part of each page's rows
        const std::vector<Tid>* waiting = nullptr;  // the rows that an earlier round left
        std::uint32_t most_pages = UINT32_MAX;      // of a batch
        // Before a batch that has none but these pages, with no transaction open; false: stop.
        std::function<bool(Pages)> before;
        Recorder record;                             // in each batch's transaction
        std::function<void(const Batch&)> finished;  // after its commit
    };
    // Goes over a range of pages in batches.
    SweepEnd sweep(Pages pages, const Sweep& sweep);

    // Sleeps outside transactions while something holds the step back, and shows what. False: told
    // to stop.
    bool wait(std::chrono::milliseconds time, const std::string& reason);
    // Takes the reason back.
    void released();
    // Sleeps because there is nothing to do at this moment. False: told to stop.
    bool idle(std::chrono::milliseconds time);

    // Who has one of the rows locked; empty when nobody has. Turns to their leaves.
    std::string holder_of(const std::vector<Row>& rows);

    // Rests for work of ours since then that was no batch.
    void rest_for(double began_ms);

    // Whether rows were passed over because they can't be changed; a table that was rewritten has
    // them at other places.
    bool passed_over() const { return !passed_over_.empty(); }
    void forget_passed_over() { passed_over_.clear(); }
    void forget_passed_over(const Leaf& leaf) { passed_over_.erase(leaf.relation); }

    // When old row versions may be cleaned away, as the standbys were last seen, and why not at
    // once.
    Pruning pruning() const {
        return pruning_beside(unheard_.any(), host_.options().standby_grace.count());
    }
    std::string why_kept() const;

    Progress& progress() { return progress_; }
    // Notes that a chunk is done up to `next`, inside a batch's transaction; `pages` as people are
    // told.
    void advance(const Chunk& chunk, std::uint32_t next, std::int64_t rows, std::int64_t pages);
    // Writes progress in the transaction around it when it is due.
    void write_progress_when_due();
    Host& host() { return host_; }

private:
    bool go_on();
    void make_wal_ahead();
    void look_at_standbys();
    bool under_pressure();
    void show(const std::string& reason);
    void rest(const Batch& batch, double began_ms);
    void take_rest(double pause_ms);
    std::int64_t most_rows() const;
    double duty() const;  // as it was said, or as it finds it
    BatchLimits limits(const Sweep& sweep, int attempts) const;
    bool pass_over_bad_rows(const Batch& batch, bool may);
    const std::set<Tid>& passed_over_here() const;
    bool attempt(Tid from, std::uint32_t end, const Sweep& sweep, Batch& batch);
    void back_off(int attempts, const std::string& reason);

    const Task& task_;
    Host& host_;
    Table table_;
    Progress progress_;
    bool speaks_;  // for the step: what is shown and told is its
    bool leaving_ = false;
    Sizer row_sizer_{200, 1, 20000};
    // Not fewer: what a survey costs whatever its size (a subquery that is hashed) would be paid
    // for each page.
    Sizer page_sizer_{64, 64, 4096};
    double rows_per_page_ = 0;  // changed by recent batches of rounds
    double wal_per_row_ = 0;    // bytes, of recent batches
    Pacer pacer_;
    Governor governor_;
    pressure::LateMeter late_;
    RateLimit rows_;
    RateLimit wal_;
    std::int64_t waiters_ = 0;  // behind batches since the signal was read last
    pressure::Monitor monitor_;
    pressure::Announcer announcer_;
    double asked_ms_ = -1e9;   // when go_on() last asked
    double wal_ahead_ms_ = 0;  // from when on files of WAL are made ahead (again)
    std::string throttled_;
    std::minstd_rand random_;
    Unheard unheard_;
    std::int64_t standbys_ms_ = INT64_MIN / 2;  // when they were looked at last
    bool kept_ = true;                          // as far as they are to be
    // Rows that can't be changed, by relation; no more than max_bad_rows.
    std::map<std::uint32_t, std::set<Tid>> passed_over_;
    const std::set<Tid> none_;
};

}  // namespace zdm::backfill
