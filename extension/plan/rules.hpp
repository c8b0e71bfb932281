// From actions to steps: the decisions of the planner, pure C++. Phases: additive to expand, data
// to migrate, names that change hands to switch, enforcing and then removing to contract; within a
// phase the order of the source.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plan/actions.hpp"
#include "plan/compare.hpp"
#include "plan/script.hpp"

namespace zdm::plan {

inline constexpr auto kSyncTrigger = "zz_zdm_sync";

// The plan of a migration. Throws pg::Error (ZD1nn) for what no rule makes safe.
Plan make_steps(const Facts& facts);

// Where a step stands in the plan. Steps of one place keep the order of the source.
enum class Slot {
    structure,     // expand: what is added or loosened
    sync,          // expand: triggers, once all new columns are there
    index,         // expand: indexes, beside the applications
    data,          // migrate: backfills and their last passes
    filled_index,  // migrate: indexes on columns that were filled
    copy,          // migrate: constraints on new columns as the old ones have them
    statistics,    // migrate: ANALYZE
    proof,         // switch: rows in which old and new differ
    switch_,       // switch: names change hands
    gate,          // contract: evidence
    verify,        // contract: rows in which old and new differ
    count,         // contract: rows that a constraint would refuse, before anything is added
    unique_index,  // contract: a build that can fail on rows, before constraints
    enforce,       // contract: constraints
    unsync,        // contract: triggers go
    remove,        // contract: what was there before goes
    finish,        // contract: what names things that only now are there
};
Phase phase_of(Slot slot);

using ColumnKey = std::pair<std::size_t, std::string>;

// A new column and an old one that are kept equal both ways until contract. Columns are quoted.
struct Pair {
    std::string column;  // the new one
    std::string type;    // its type, as behind a cast
    std::string up;      // gives it, from old columns
    std::string old_column;
    std::string down;           // gives the old one back, from new columns
    std::string old_type = {};  // its type; without it only `up` is compared
};

// What the whole file says about each column, which decides where a single action goes.
struct Survey {
    std::map<ColumnKey, const AddColumn*> made;
    std::map<ColumnKey, const Assignment*> filled;  // given a value where there is none
    std::set<ColumnKey> late_default;               // made with a default that old rows don't get
    std::set<ColumnKey> changed;                    // by any UPDATE
    std::set<const Assignment*> fills;              // the assignments that give these values
    std::set<std::size_t> rows_changed;             // tables with rows deleted or inserted
    std::set<std::size_t> inserted;                 // tables with rows inserted
    std::set<ColumnKey> enforced;                   // NOT NULL, CHECK, FOREIGN KEY, UNIQUE
    std::set<ColumnKey> dropped;
    std::set<std::size_t> dropped_tables;
    std::map<std::pair<std::size_t, std::string>, std::size_t> remade;  // constraint -> action
    std::map<std::string, std::size_t> remade_indexes;                  // schema.name -> action
};
Survey survey(const Facts& facts);
// Whether rows that applications write before contract must be filled as well.
bool needs_sync(const Survey& survey, std::size_t table, const Assignment& assignment);

// Nothing but a lock on a table and all its partitions.
Seen lock_all(std::size_t table, LockMode mode);
// All partitions below one of the table's, qualified.
std::vector<std::string> partitions_below(const Table& table, std::size_t partition);
// The rows of a table as FROM says it: ONLY, unless they are in its partitions or children too.
std::string rows_of(const Table& table);
// Lets a step, whose parameters are complete, go through the rows of all children as well.
void go_through_tree(Step& step, const Table& table);
// Locks of sequences that change with a table, behind those of tables: an INSERT takes them in this
// order. Without them a value that somebody draws meanwhile would be lost.
void lock_sequences(Step& step, const std::vector<std::string>& sequences);

// Collects the steps; each family of rules adds to it.
class Composer {
public:
    explicit Composer(const Facts& facts) : facts_(facts), survey_(survey(facts)) {}

    const Facts& facts() const { return facts_; }
    const Survey& seen() const { return survey_; }
    const Table& table(const Action& action) const { return facts_.tables.at(action.table); }

    // A step of an action with what all steps share: relation, estimates, line, locks.
    Step start(const Action& action, StepKind kind) const;
    // The same for a step about a partition, or child, of the action's table alone.
    Step start_at(const Action& action, const Partition& partition, StepKind kind) const;
    // Locks of a step on existing tables: peers first, then by OID.
    void lock(Step& step, const Action& action, const Seen& seen) const;
    void add(Slot slot, Step step);
    // Remembers that new rows of a table need this rule until contract.
    void sync(const Action& action, const Assignment& assignment, const std::string& condition);
    // The reverse of such a rule: an existing column is given from new ones that applications
    // write.
    void back(const Action& action, const std::string& column, const std::string& expression,
              const std::vector<std::string>& reads, const std::string& type = {},
              const std::string& remark = {});
    // Both, for one column each, and that they are compared before anything is removed.
    void pair(const Action& action, const Pair& pair);
    // Statements for the transaction in which the trigger of the action's table goes: without the
    // trigger, what they remove would refuse rows of the new application. They may lock `seen`.
    void with_unsync(const Action& action, const Script& script, const Seen& seen);
    // In it the old column takes the place of the new one, on which nobody may have put anything.
    void takes_place(const Action& action, const RenameColumn& rename);
    // The step refuses where something else hangs on a column than did when it was planned
    // (hanging.hpp).
    static void guard(Step& step, const std::string& hanging);
    // A step that compares columns, unless there is nothing to compare.
    void verify(Slot slot, const Action& action, const Comparison& comparison);
    // The trigger of the action's table, or of a relation, with these rules: column, mode,
    // expression and condition of each.
    std::string create_trigger(const Action& action, const std::vector<std::string>& rules) const;
    std::string create_trigger(const std::string& relation,
                               const std::vector<std::string>& rules) const;
    // The same of a table that inherits from the action's; `made`: the parameters of the step.
    Step sync_child(const Action& action, const Partition& child,
                    const std::vector<std::string>& rules,
                    const std::map<std::string, std::string>& made) const;
    // CREATE TRIGGER behind the name of the relation.
    std::string trigger_tail(const std::vector<std::string>& rules) const;
    std::string drop_trigger(const Action& action) const;
    std::string drop_trigger(const std::string& relation) const;
    Seen lock_trigger(std::size_t index, LockMode mode) const;
    // Remembers the columns of a table that a backfill gives values.
    void analyze(const Action& action, const std::string& column);
    // Tables of the migration that get rows in migrate: what follows must wait for them.
    void come_late(std::size_t table) { late_.insert(table); }
    bool comes_late(std::size_t table) const { return late_.count(table) != 0; }
    // What the gate can't see.
    void blind(std::string what) { blind_.push_back(std::move(what)); }
    void note(std::string text) { notes_.push_back(std::move(text)); }
    // A private name that is not taken yet, e.g. zdm_phone_not_null.
    std::string private_name(const std::string& about, const std::string& purpose);
    bool has(Slot slot) const { return steps_.count(slot) != 0; }
    int last_number(Slot slot) const;

    Plan finish();

private:
    struct Rules {
        const Action* action = nullptr;
        std::vector<std::string> forward;  // arguments of the trigger
        std::vector<std::string> reverse;  // likewise, behind all forward ones
        std::vector<std::string> columns;
        std::vector<std::string> notes;
        std::vector<Following> news;        // kept in step
        std::vector<Going> olds;            // given back from new ones
        Script then;                        // statements when the trigger goes
        std::vector<TableLock> locks;       // that these take
        std::vector<std::string> places;    // of columns that these remove: hanging.hpp
        std::vector<std::string> triggers;  // that these make anew, as they must be before
    };
    Rules& rules_of(const Action& action);
    struct Statistics {
        const Action* action = nullptr;
        std::vector<std::string> columns;
    };
    void finish_sync();
    void unsync_child(const Rules& rules, const Partition& child, const Step& sync);
    void finish_unsync(std::size_t index, const Rules& rules, const std::string& create,
                       const std::string& drop);
    void finish_verify(std::size_t index, const Rules& rules);
    void finish_statistics();
    void finish_gate();
    void name_own(Step& step) const;

    const Facts& facts_;
    Survey survey_;
    std::map<Slot, std::vector<Step>> steps_;
    std::map<std::size_t, Rules> rules_;
    std::map<std::size_t, Statistics> statistics_;
    std::vector<std::string> blind_;
    std::vector<std::string> notes_;
    std::set<std::string> private_names_;
    std::set<std::size_t> late_;
};

// The families, one file each.
void plan_action(Composer&, const Action&, const AddColumn&);
void plan_action(Composer&, const Action&, const SetNotNull&);
void plan_action(Composer&, const Action&, const DropNotNull&);
void plan_action(Composer&, const Action&, const SetDefault&);
void plan_action(Composer&, const Action&, const DropColumn&);
void plan_action(Composer&, const Action&, const AddCheck&);
void plan_action(Composer&, const Action&, const AddForeignKey&);
void plan_action(Composer&, const Action&, const AddUnique&);
void plan_action(Composer&, const Action&, const Validate&);
void plan_action(Composer&, const Action&, const DropConstraint&);
void plan_action(Composer&, const Action&, const CreateIndex&);
void plan_action(Composer&, const Action&, const DropIndex&);
void plan_action(Composer&, const Action&, const DropTable&);
void plan_action(Composer&, const Action&, const RenameTable&);
void plan_action(Composer&, const Action&, const Update&);
void plan_action(Composer&, const Action&, const Delete&);
void plan_action(Composer&, const Action&, const Insert&);
void plan_action(Composer&, const Action&, const RenameColumn&);
void plan_action(Composer&, const Action&, const RetypeColumn&);
void plan_action(Composer&, const Action&, const Direct&);

// Refuses a `-- zdm: down` of column `name` that can't run inside the applications' own statements;
// it fills `column`.
void check_down(const Down&, const std::string& name, const std::string& column);

// CREATE INDEX on a partitioned table, in one slot.
struct PartitionedPlace {
    Slot slot = Slot::index;
    std::string note;  // of the builds
};
void add_partitioned_index(Composer&, const Action&, const CreateIndex&, const PartitionedPlace&);
// UNIQUE and PRIMARY KEY of one.
struct PartitionedKeyPlace {
    Slot build = Slot::unique_index;
    Slot take = Slot::enforce;
    std::string note =  // of the builds
        "built beside reads and writes; rows that are not unique stop contract here, before any "
        "constraint is added";
    bool names_all = false;  // partitions that are partitioned get their names too
};
void add_partitioned_unique(Composer&, const Action&, const AddUnique&,
                            const PartitionedKeyPlace& = {});
// A foreign key of one: first of each leaf, then of the table.
void add_partitioned_foreign_key(Composer&, const Action&, const AddForeignKey&, Slot);
// DROP COLUMN with `-- zdm: down`.
void drop_with_down(Composer&, const Action&, const DropColumn&);
// NOT NULL goes in expand; undo brings it back.
void relax_not_null(Composer&, const Action&, const std::string& column, const std::string& note);
// NOT NULL without a scan under a lock: a helper check, validated, and gone when NOT NULL is set.
struct ProvenNotNull {
    Slot slot = Slot::enforce;
    std::string column;
    std::string set;   // the statement
    std::string note;  // of the helper
};
void set_not_null(Composer&, const Action&, const ProvenNotNull&);
// The NOT NULL recipe, for SET NOT NULL, ADD COLUMN NOT NULL and PRIMARY KEY.
void enforce_not_null(Composer&, const Action&, const std::string& column, bool proven);

}  // namespace zdm::plan
