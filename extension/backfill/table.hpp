// The relation that is being filled, the table or one of its partitions: opened anew in each
// transaction, its statements planned once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backfill/direct.hpp"
#include "backfill/rounds.hpp"
#include "backfill/task.hpp"
#include "backfill/tid.hpp"
#include "pg/error.hpp"

struct _SPI_plan;

namespace zdm::backfill {

// A statement that stays planned from one transaction to the next.
class SavedPlan {
public:
    SavedPlan() = default;
    ~SavedPlan();
    SavedPlan(const SavedPlan&) = delete;
    SavedPlan& operator=(const SavedPlan&) = delete;

    bool made() const { return plan_ != nullptr; }
    // Prepares text, to be run with parameters of these types. Inside an SPI connection.
    void make(const std::string& text, std::vector<unsigned> types);
    void forget();
    _SPI_plan* get() const { return plan_; }

private:
    _SPI_plan* plan_ = nullptr;
};

// A partition, or child, is none of the table's any more, so that its rows concern nobody.
struct Gone : pg::Error {
    Gone(const Task& task, const Leaf& leaf, const std::string& what);
    std::string what_happened;  // "partition s.p was detached"
};

// ZD204 about a table that is not what it was.
pg::Error gone(const std::string& name, const std::string& what);

// SQL that gives a row's primary key, as "id = 7"; empty without one.
std::string key_sql(std::uint32_t relation);

class Table {
public:
    explicit Table(const Task& task);

    // Turns to another leaf. Plans are kept of one only, so that memory does not grow.
    void aim(const Leaf& leaf);
    const Leaf& leaf() const { return leaf_; }

    // Locks the relation in the transaction around it, for reading or for changing rows, without
    // ever waiting: false when somebody's lock is in the way. Throws ZD204 when the table is gone
    // or has another name, Gone when a partition is; its name may change.
    bool open(bool for_change);
    // Its size and its file, as seen by the last open().
    std::uint32_t blocks() const { return blocks_; }
    std::uint32_t filenode() const { return filenode_; }

    // Which rows in [from, end) match, in order, at most `most`.
    std::vector<Tid> survey(Tid from, Tid end, std::int64_t most);
    // Changes those of the rows that match and that nobody else has locked. Gives how many. Throws
    // ZD206 when some match even after it.
    std::int64_t change(const std::vector<Tid>& rows);
    // Whether a change could leave all indexes alone, as far as is known: the first one tells.
    bool may_be_hot() const { return !indexed_columns_; }

    // The pages on which these rows are, in order, after pruning.
    std::vector<PageFacts> look(const std::vector<Tid>& rows);
    // What became of rows that this transaction may have changed.
    ChangeSample sample(const std::vector<Tid>& rows);
    // Prunes pages and tells the free space map what they have, so that rows that move find it.
    void share_free_space(Pages pages);
    // Row versions that transactions before this one have left behind can be pruned.
    std::uint32_t horizon();

    // Runs deferred constraints now, so that a row's error comes from where it was changed.
    void check_constraints();

    // "id = 7": the primary key of a row; empty without one.
    std::string key_of(Tid row);
    // "(12,3), id = 7": where a row is and its primary key, if there is one.
    std::string describe(Tid row);
    // "pid 123 (psql)": who has locked the row or is changing it; empty when nobody is.
    std::string holder(Tid row);
    // The same for whoever holds a lock on the relation that keeps us from opening it. In a
    // transaction of its own.
    std::string lock_holder();

private:
    void check_published() const;
    void make_survey();
    void make_change();
    // Changes rows without waiting (direct.hpp); none when that can't be.
    std::optional<Changed> change_without_locks(const std::vector<Tid>& rows);
    Changed change_by_statement(const std::vector<Tid>& rows);
    Changed change_without_triggers(const std::vector<Tid>& rows);
    pg::Error does_not_converge(std::int64_t rows) const;
    bool is_whole() const { return leaf_.relation == task_.relation; }
    // As statements name it.
    std::string named() const;

    const Task& task_;
    Leaf leaf_;
    std::uint32_t blocks_ = 0;
    std::uint32_t filenode_ = 0;
    SavedPlan survey_;
    SavedPlan change_;
    SavedPlan direct_;
    bool key_columns_ = false;
    bool indexed_columns_ = false;
};

// Whether a transaction's number is older than another's.
bool precedes(std::uint32_t xid, std::uint32_t other);
// That of the transaction under way, 0 as long as it has changed nothing.
std::uint32_t transaction_id();

}  // namespace zdm::backfill
