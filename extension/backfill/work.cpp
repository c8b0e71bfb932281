#include "backfill/work.hpp"

#include <algorithm>
#include <utility>

#include "backfill/bad_rows.hpp"
#include "backfill/hold.hpp"
#include "pg/error.hpp"
#include "pg/transaction.hpp"
#include "pg/wal.hpp"
#include "pressure/standbys.hpp"

namespace zdm::backfill {

namespace {

using std::chrono::milliseconds;

// So long may a pause, or another option, go unnoticed by batches.
constexpr double kAskMs = 100;

// Bytes of WAL that a changed row costs at least; what it does cost is learnt.
constexpr double kLeastWal = 64;

// After files of WAL could not be made ahead, on a full disk, they are not for so long.
constexpr double kNoWalMs = 60000;

// So long may a standby be there before it counts.
constexpr std::int64_t kLookMs = 1000;

// Reading holds a snapshot but no row lock; this keeps the snapshot small too.
constexpr double kSurveyMs = 100;

bool same_pace(const Options& a, const Options& b) {
    return a.duty == b.duty && a.max_rate == b.max_rate && a.max_wal_rate == b.max_wal_rate;
}

// What a retry may cure: somebody else was in the way.
bool transient(const pg::Error& error) {
    return error.sqlstate == pg::state::kSerializationFailure ||
           error.sqlstate == pg::state::kDeadlock || error.sqlstate == pg::state::kLockNotAvailable;
}

}  // namespace

Work::Work(const Task& task, Host& host, bool helper)
    : task_(task),
      host_(host),
      table_(task),
      progress_(task, !helper),
      speaks_(!helper),
      monitor_({task.migration, task.step, task.relation, 0,
                [&host, relation = task.relation] { host.batch_begins(relation); },
                [&host] { host.batch_ends(); }, [this] { return std::exchange(waiters_, 0); }}),
      random_(static_cast<std::minstd_rand::result_type>(host.now_ms())) {}

void Work::in_transaction(const std::function<void()>& f) {
    pg::Transaction transaction;
    f();
    transaction.commit();
}

bool Work::with_table(const std::function<void(Table&)>& f) {
    for (int attempts = 0;; ++attempts) {
        if (!go_on()) return false;
        {
            pg::Transaction transaction;
            if (table_.open(false)) {
                f(table_);
                transaction.commit();
                if (attempts > 0) released();
                return true;
            }
        }
        back_off(attempts, table_.leaf().name + " is locked by " + table_.lock_holder());
    }
}

std::string Work::holder_of(const std::vector<Row>& rows) {
    std::string holder;
    for (std::size_t i = 0; i < rows.size() && holder.empty();) {
        const Leaf& leaf = rows[i].leaf;
        aim(leaf);
        try {
            const bool go_on = with_table([&](Table& table) {
                for (; i < rows.size() && rows[i].leaf.relation == leaf.relation; ++i)
                    if (holder.empty()) holder = table.holder(rows[i].place);
            });
            if (!go_on) break;
        } catch (const Gone&) {
            // Whoever goes over its pages next finds out.
            break;
        }
    }
    return holder;
}

// Between two batches: no transaction is open, so this is where to stop and where to wait.
bool Work::go_on() {
    // Asking is work as well, and so not for each batch, unless the last one may have been the one
    // too many.
    const double now = host_.fine_ms();
    if (now - asked_ms_ >= kAskMs) {
        asked_ms_ = now;
        governor_.observe(Load{pressure::busy_sessions_per_processor(), late_.share()});
    } else if (!monitor_.pressing()) {
        return !leaving_;
    }
    if (leaving_ || host_.should_stop()) return false;
    look_at_standbys();
    if (under_pressure() && (leaving_ || host_.should_stop())) return false;
    make_wal_ahead();
    return true;
}

// One of those who work at the step is enough: two would make the same file twice.
void Work::make_wal_ahead() {
    const double now = host_.fine_ms();
    if (!speaks_ || now < wal_ahead_ms_) return;
    if (!pg::make_wal_ahead()) wal_ahead_ms_ = now + kNoWalMs;
}

// Standbys come and go, and so does their feedback. Whoever speaks for the step keeps versions for
// all who work at it.
void Work::look_at_standbys() {
    const std::int64_t now = host_.now_ms();
    const std::int64_t grace = host_.options().standby_grace.count();
    const bool keeps = pruning() != Pruning::at_once;
    if (now - standbys_ms_ < (keeps ? std::clamp<std::int64_t>(grace / 10, 50, kLookMs) : kLookMs))
        return;
    standbys_ms_ = now;
    in_transaction([&] {
        if (grace > 0) unheard_.look(pressure::standbys_heard(), now);
        if (speaks_ && pruning() != Pruning::at_once) kept_ = keep_versions(grace, now);
    });
    if (speaks_ && pruning() == Pruning::at_once) release_versions();
}

std::string Work::why_kept() const {
    return "standby " + unheard_.name() + " gives no hot_standby_feedback (standby_grace is " +
           std::to_string(host_.options().standby_grace.count()) + " ms" +
           (kept_ ? ")" : "; no replication slot is free to keep them)");
}

// Waits until no signal trips. True when it was told to stop meanwhile.
bool Work::under_pressure() {
    const std::int64_t began = host_.now_ms();
    for (bool waited = false;; waited = true) {
        const std::int64_t now = host_.now_ms();
        if (monitor_.due(now))
            in_transaction([&] {
                monitor_.read(now, host_.options().limits);
                if (speaks_) monitor_.store(now);
            });
        if (!monitor_.tripped()) {
            if (waited) released();
            if (announcer_.ends())
                in_transaction([&] { tell_released(task_, host_.now_ms() - began); });
            return false;
        }
        // The step's own worker waits and says for what. Whoever helps it would wait in silence.
        if (!speaks_) {
            leaving_ = true;
            return true;
        }
        const std::string reasons = monitor_.reasons();
        if (speaks_ && announcer_.begins(now))
            in_transaction([&] { tell_throttled(task_, reasons); });
        if (!wait(milliseconds{250}, reasons)) return true;
    }
}

void Work::show(const std::string& reason) {
    if (reason == throttled_) return;
    throttled_ = reason;
    host_.show_throttle(reason.empty() ? std::nullopt : std::optional{reason});
    in_transaction([&] { progress_.write(host_.now_ms(), throttled_); });
}

bool Work::wait(milliseconds time, const std::string& reason) {
    show(reason);
    look_at_standbys();
    const std::int64_t began = host_.now_ms();
    host_.sleep(time, reason);
    progress_.add_throttled(static_cast<double>(host_.now_ms() - began) / 1000.0);
    if (progress_.due(host_.now_ms())) in_transaction([&] { write_progress_when_due(); });
    return !host_.should_stop();
}

void Work::released() { show(""); }

bool Work::idle(milliseconds time) {
    host_.sleep(time, {});
    if (progress_.due(host_.now_ms())) in_transaction([&] { write_progress_when_due(); });
    return go_on();
}

void Work::back_off(int attempts, const std::string& reason) {
    const std::int64_t most =
        std::min<std::int64_t>(1000, std::int64_t{20} << std::min(attempts, 6));
    const auto part = std::uniform_int_distribution<std::int64_t>{most / 2, most}(random_);
    // A short wait is not worth a word.
    if (attempts < 3)
        host_.sleep(milliseconds{part}, {});
    else
        wait(milliseconds{part}, reason);
}

void Work::write_progress_when_due() {
    if (progress_.due(host_.now_ms())) progress_.write(host_.now_ms(), throttled_);
}

void Work::advance(const Chunk& chunk, std::uint32_t next, std::int64_t rows, std::int64_t pages) {
    advance_chunk(task_, chunk, {next, pages, rows, progress_.wal_to_note()});
}

void Work::rest(const Batch& batch, double began_ms) {
    const Options options = host_.options();
    page_sizer_.observe(batch.surveyed, batch.survey_ms, kSurveyMs);
    if (batch.changed > 0)
        row_sizer_.observe(batch.changed, batch.locked_ms,
                           lock_goal_ms(static_cast<double>(options.batch_target.count()), duty()));
    waiters_ = std::max(waiters_, batch.waiters);
    const double now = host_.fine_ms();
    const double took = now - began_ms;
    pacer_.worked(std::max(0.0, took - batch.paid_ms), duty());
    const auto rows = static_cast<double>(batch.changed);
    const auto wal = static_cast<double>(batch.wal_bytes);
    monitor_.wrote(wal);
    if (rows > 0) wal_per_row_ += (wal / rows - wal_per_row_) / (wal_per_row_ > 0 ? 4 : 1);
    take_rest(std::max({pacer_.owed_ms(), rows_.rest_ms(took, rows, now, options.max_rate),
                        wal_.rest_ms(took, wal, now, options.max_wal_rate)}));
}

// Rows that a batch may have so that the rates hold.
std::int64_t Work::most_rows() const {
    const Options options = host_.options();
    const double rows =
        std::min(RateLimit::at_once(options.max_rate),
                 RateLimit::at_once(options.max_wal_rate) / std::max(wal_per_row_, kLeastWal));
    return static_cast<std::int64_t>(std::clamp(rows, 1.0, 1e9));
}

double Work::duty() const {
    const double said = host_.options().duty;
    return said > 0 ? said : governor_.duty();
}

void Work::rest_for(double began_ms) {
    pacer_.worked(host_.fine_ms() - began_ms, duty());
    take_rest(pacer_.owed_ms());
}

void Work::take_rest(double pause_ms) {
    if (pause_ms <= 0) return;
    const double began = host_.fine_ms();
    // A sleep of its own is a matter of milliseconds. A long rest heeds new options, and ends with
    // those for which it was owed.
    const Options then = host_.options();
    if (pause_ms < 10)
        host_.rest(std::chrono::microseconds{static_cast<std::int64_t>(pause_ms * 1000)});
    else
        for (double left = pause_ms; left >= 1; left = pause_ms - (host_.fine_ms() - began)) {
            host_.sleep(milliseconds{static_cast<std::int64_t>(std::min(left, 500.0))}, {});
            if (host_.should_stop() || !same_pace(then, host_.options())) break;
        }
    pacer_.rested(host_.fine_ms() - began);
}

BatchLimits Work::limits(const Sweep& sweep, int attempts) const {
    BatchLimits limits;
    limits.stage = sweep.stage;
    limits.look_only = sweep.look_only;
    limits.duty = duty();
    limits.rounds = sweep.rounds;
    limits.waiting = sweep.waiting;
    limits.passed_over = &passed_over_here();
    limits.pages = static_cast<std::uint32_t>(page_sizer_.size());
    // Rows that can't be had together may be had a few at a time.
    limits.rows = sweep.look_only
                      ? 20000
                      : std::min(row_sizer_.size() >> std::min(attempts, 20), most_rows());
    limits.rows = std::max<std::int64_t>(limits.rows, 1);
    limits.pages = std::min(limits.pages, sweep.most_pages);
    // Not to read more pages than it takes for these rows.
    if (sweep.rounds != nullptr) {
        const double pages =
            1 + 1.2 * static_cast<double>(limits.rows) / std::max(rows_per_page_, 1.0 / 16);
        limits.pages =
            static_cast<std::uint32_t>(std::min(pages, static_cast<double>(limits.pages)));
    }
    return limits;
}

const std::set<Tid>& Work::passed_over_here() const {
    const auto found = passed_over_.find(table_.leaf().relation);
    return found == passed_over_.end() ? none_ : found->second;
}

// Finds the rows at which a batch failed. Where that may be (a count must not leave out a row) and
// is allowed they are not tried again, else it throws. False: they are fine by now, or out of
// reach.
bool Work::pass_over_bad_rows(const Batch& batch, bool may) {
    const Tid end{batch.from.block + batch.surveyed, 0};
    const auto bad = find_bad_rows(table_, host_, batch, end, passed_over_here());
    if (bad.empty()) return false;
    const std::int64_t most = may && !task_.every_row ? host_.options().max_bad_rows : 0;
    if (most == 0) throw bad_rows_error(task_, bad, batch.reading);
    pass_over(task_, bad, most);
    for (const auto& row : bad) passed_over_[table_.leaf().relation].insert(row.place);
    return true;
}

// Runs one batch, as often as it takes. False: told to stop.
bool Work::attempt(Tid from, std::uint32_t end, const Sweep& sweep, Batch& batch) {
    int vanished = 0;
    std::string reason;
    for (int attempts = 0;; ++attempts) {
        if (!go_on()) return false;
        const double began = host_.fine_ms();
        // A single row that makes others wait, or waits for them, each time: left for later.
        const bool give_up = attempts > 20;
        auto asked = limits(sweep, attempts);
        // Row by row, in the order in which they are: who is in the way is to be found.
        if (attempts > 8) asked.rounds = nullptr;
        if (give_up && !sweep.look_only) {
            asked.look_only = true;
            asked.rounds = nullptr;
            asked.rows = 1;
        }
        try {
            run_batch(table_, host_, sweep.filenode, from, end, asked, sweep.record, pacer_, batch);
            if (batch.end != Batch::End::busy) {
                if (attempts > 0) released();
                if (give_up) batch.gave_way = reason;
                rest(batch, began);
                return true;
            }
            reason.clear();
        } catch (const pg::Error& error) {
            if (transient(error)) {
                reason = "a batch on " + table_.leaf().name + " had to give way: " + error.what();
            } else if (caused_by_row(error) && vanished < 3) {
                if (pass_over_bad_rows(batch, !sweep.look_only)) {
                    attempts = -1;
                    continue;
                }
                ++vanished;
                reason = error.what();
            } else {
                throw;
            }
        }
        if (reason.empty()) reason = table_.leaf().name + " is locked by " + table_.lock_holder();
        back_off(attempts, reason);
    }
}

SweepEnd Work::sweep(Pages pages, const Sweep& sweep) {
    Tid at{pages.first, 0};
    while (at.block < pages.end) {
        Batch batch;
        const std::uint32_t most = std::min(pages.end - at.block, sweep.most_pages);
        if (sweep.before && !sweep.before({at.block, at.block + most})) return SweepEnd::stopped;
        if (!attempt(at, pages.end, sweep, batch)) return SweepEnd::stopped;
        if (batch.end == Batch::End::rewritten) return SweepEnd::rewritten;
        progress_.wal_noted();
        if (sweep.rounds != nullptr && batch.pages() > 0)
            rows_per_page_ +=
                (static_cast<double>(batch.changed) / static_cast<double>(batch.pages()) -
                 rows_per_page_) /
                4;
        if (sweep.finished) sweep.finished(batch);
        at = batch.next;
    }
    return SweepEnd::finished;
}

}  // namespace zdm::backfill
