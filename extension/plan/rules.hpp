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

namespace zdm::plan {

// The plan of a migration. Throws pg::Error (ZD1nn) for what no rule makes safe.
Plan make_steps(const Facts& facts);

// Where a step stands in the plan. Steps of one place keep the order of the source.
enum class Slot {
    structure,     // expand: what is added or loosened
    sync,          // expand: triggers, once all new columns are there
    index,         // expand: indexes, beside the applications
    data,          // migrate: backfills and their last passes
    filled_index,  // migrate: indexes on columns that were filled
    statistics,    // migrate: ANALYZE
    switch_,       // switch: names change hands
    gate,          // contract: evidence
    count,         // contract: rows that a constraint would refuse, before anything is added
    unique_index,  // contract: a build that can fail on rows, before constraints
    enforce,       // contract: constraints
    unsync,        // contract: triggers go
    remove,        // contract: what was there before goes
    finish,        // contract: what names things that only now are there
};
Phase phase_of(Slot slot);

using ColumnKey = std::pair<std::size_t, std::string>;

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

// Collects the steps; each family of rules adds to it.
class Composer {
public:
    explicit Composer(const Facts& facts) : facts_(facts), survey_(survey(facts)) {}

    const Facts& facts() const { return facts_; }
    const Survey& seen() const { return survey_; }
    const Table& table(const Action& action) const { return facts_.tables.at(action.table); }

    // A step of an action with what all steps share: relation, estimates, line, locks.
    Step start(const Action& action, StepKind kind) const;
    // Locks of a step on existing tables: peers first, then by OID.
    void lock(Step& step, const Action& action, const Seen& seen) const;
    void add(Slot slot, Step step);
    // Remembers that new rows of a table need this rule until contract.
    void sync(const Action& action, const Assignment& assignment, const std::string& condition);
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
        std::vector<std::string> arguments;
        std::vector<std::string> columns;
        std::vector<std::string> notes;
    };
    struct Statistics {
        const Action* action = nullptr;
        std::vector<std::string> columns;
    };
    void finish_sync();
    void finish_statistics();
    void finish_gate();

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
void plan_action(Composer&, const Action&, const Direct&);

// The NOT NULL recipe, for SET NOT NULL, ADD COLUMN NOT NULL and PRIMARY KEY.
void enforce_not_null(Composer&, const Action&, const std::string& column, bool proven);

}  // namespace zdm::plan
