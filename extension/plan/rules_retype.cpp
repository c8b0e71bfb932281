// ALTER COLUMN TYPE that would rewrite the table: a column of the new type beside the old one, under
// a private name, filled from it and kept in step. The switch turns both round in one transaction:
// the new column gets the name, and the old one follows it until contract, for a way back.
#include <algorithm>

#include "plan/renaming.hpp"
#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

bool touches(const Action& action, std::size_t table) {
    if (action.table == table) return true;
    const auto& locks = action.seen.locks;
    return std::any_of(locks.begin(), locks.end(),
                       [&](const TableLock& held) { return held.table == table; });
}

class Retyping : public Renaming {
public:
    Retyping(Composer& composer, const Action& action, const RetypeColumn& retype)
        : Renaming(composer, action, retype.copies),
          retype_(retype),
          name_(retype.copies.column),
          shadow_(retype.copies.renamed),
          forward_(composer.create_trigger(
              action, {unquoted(shadow_), "step", retype.up, std::string{}})),
          turned_(composer.create_trigger(
              action, {unquoted(retype.parked), "step", retype.down, std::string{}})) {}

    void plan() {
        refuse_company();
        add_column();
        watch();
        fill(retype_.up);
        copy_all();
        compare_sides();
        switch_over();
        remove();
        composer_.note(
            "until the switch " + table_.qualified + "." + name_ + " is " + retype_.old_type +
            ", from then on " + rename_.type +
            ": both versions of the application may use it only as both types allow");
    }

private:
    void refuse_company() const;
    void watch();
    void compare_sides();
    void switch_over();
    void remove();
    Statements turn() const;
    Statements turn_back() const;
    Undos undo_switch(const Step& step) const;
    void restore_not_null(const Step& step, Undos& parts) const;
    std::string column(const std::string& name) const {
        return alter(table_) + "ALTER COLUMN " + name + " ";
    }
    std::string rename(const std::string& from, const std::string& to) const {
        return alter(table_) + "RENAME COLUMN " + from + " TO " + to + ";";
    }
    void anew(Statements& statements) const {
        for (const auto& trigger : retype_.triggers) append(statements, trigger);
    }

    const RetypeColumn& retype_;
    const std::string& name_;    // that the application knows
    const std::string& shadow_;  // the private name before the switch
    std::string forward_;        // the trigger before the switch
    std::string turned_;         // and after it
};

// Steps name columns in text, and these change their names in between.
void Retyping::refuse_company() const {
    for (const auto& other : composer_.facts().actions) {
        if (&other == &action_) continue;
        bool both = touches(other, action_.table);
        for (const auto& held : action_.seen.locks) both = both || other.table == held.table;
        if (!both) continue;
        refuse(action_.at, "ZD105", pg::state::kFeatureNotSupported,
               "the type of column " + name_ + " of " + table_.qualified +
                   " can't be changed together with another statement about its table, or about "
                   "one that a foreign key ties to it",
               "That is: " + other.written, "Change the type in a migration of its own.");
    }
}

void Retyping::watch() {
    Step step = composer_.start(action_, StepKind::sync);
    step.command = forward_;
    composer_.lock(step, action_,
                   locks_of({{action_.table, LockMode::share_row_exclusive}}));
    step.undo = {{StepKind::unsync,
                  composer_.drop_trigger(action_),
                  {{"trigger", kSyncTrigger}},
                  locks_at(step, LockMode::access_exclusive)}};
    step.note = "rows that applications write from now on: " + shadow_ + " is kept in step with " +
                join(retype_.reads) + "; a value that " + rename_.type +
                " can't take fails from here on, as it will after the change";
    step.parameters = {{"trigger", kSyncTrigger}, {"columns", shadow_}, {"unseen", "yes"}};
    composer_.add(Slot::sync, step);
}

void Retyping::compare_sides() {
    const std::string& parked = retype_.parked;
    composer_.verify(
        Slot::proof, action_,
        compare({{shadow_, rename_.type, retype_.up, {}, retype_.reads}},
                {{name_, name_ + " IS NOT NULL", true, retype_.old_type, retype_.down_before,
                  {shadow_}}}));
    composer_.verify(
        Slot::verify, action_,
        compare({{name_, rename_.type, retype_.up_again, {}, retype_.reads_again}},
                {{parked, parked + " IS NOT NULL", true, retype_.old_type, retype_.down,
                  {name_}}}));
}

// Without the trigger: what the old column forbids goes, the names change hands.
Statements Retyping::turn() const {
    Statements all;
    for (const auto& check : retype_.checks)
        all.push_back(alter(table_) + "DROP CONSTRAINT " + rename_.constraints[check.copy].name +
                      ";");
    if (!retype_.old_default.empty()) all.push_back(column(name_) + "DROP DEFAULT;");
    all.push_back(rename(name_, retype_.parked));
    all.push_back(rename(shadow_, name_));
    if (!rename_.default_text.empty())
        all.push_back(column(name_) + "SET DEFAULT " + rename_.default_text + ";");
    if (rename_.not_null) {
        all.push_back(column(retype_.parked) + "DROP NOT NULL;");
        name_not_null(all);
    }
    for (const auto& check : retype_.checks) name_constraint(all, check.copy);
    anew(all);
    return all;
}

Statements Retyping::turn_back() const {
    Statements all;
    for (const auto& check : retype_.checks)
        all.push_back(alter(table_) + "RENAME CONSTRAINT " +
                      rename_.constraints[check.copy].name + " TO " + constraints_[check.copy] +
                      ";");
    if (!not_null_.empty())
        all.push_back(alter(table_) + "RENAME CONSTRAINT " + rename_.not_null_name + " TO " +
                      not_null_ + ";");
    if (!rename_.default_text.empty()) all.push_back(column(name_) + "DROP DEFAULT;");
    all.push_back(rename(name_, shadow_));
    all.push_back(rename(retype_.parked, name_));
    if (!retype_.old_default.empty())
        all.push_back(column(name_) + "SET DEFAULT " + retype_.old_default + ";");
    anew(all);
    return all;
}

// The old column takes NULL from the new version, and may have got some.
void Retyping::restore_not_null(const Step& step, Undos& parts) const {
    const std::string helper =
        "zdm_" + std::to_string(table_.oid) + "_" + std::to_string(action_.at.line) + "_not_null";
    Undos more = undo_by_not_null(step, name_, helper);
    if (!rename_.not_null_name.empty()) {
        more.back().command = alter(table_) + "ADD CONSTRAINT " + rename_.not_null_name +
                              " NOT NULL " + name_ + "; " + alter(table_) + "DROP CONSTRAINT " +
                              helper + ";";
        for (const auto& statement : rename_.not_null_after) more.back().command += " " + statement;
        more.back().parameters["statements"] = std::to_string(2 + rename_.not_null_after.size());
    }
    parts.insert(parts.end(), more.begin(), more.end());
}

Undos Retyping::undo_switch(const Step& step) const {
    Undos parts;
    if (rename_.not_null)
        parts.push_back({StepKind::count,
                         "SELECT count(*) FROM ONLY " + table_.qualified + " WHERE " +
                             retype_.parked + " IS NULL",
                         {{"violates", retype_.parked + " IS NULL"},
                          {"constraint", "NOT NULL of " + retype_.parked + ", the old " + name_},
                          {"sqlstate", "23502"}},
                         {}});
    const Statements statements = turn_back();
    const std::string drop = composer_.drop_trigger(action_);
    parts.push_back({StepKind::sync,
                     drop + "; " + join(statements, " ") + " " + forward_,
                     {{"trigger", kSyncTrigger},
                      {"columns", shadow_},
                      {"unseen", "yes"},
                      {"drop", drop},
                      {"turn", join(statements, " ")},
                      {"create", forward_},
                      {"statements", std::to_string(statements.size() + 2)}},
                     locks_at(step, LockMode::access_exclusive)});
    if (rename_.not_null) restore_not_null(step, parts);
    for (const auto& check : retype_.checks) {
        const CopiedConstraint& copy = rename_.constraints[check.copy];
        DropConstraint dropped;
        dropped.name = copy.name;
        dropped.kind = ConstraintKind::check;
        dropped.definition = check.definition;
        dropped.valid = copy.valid;
        dropped.with = copy.after;
        const Undos more = undo_by_constraint(step, dropped);
        parts.insert(parts.end(), more.begin(), more.end());
    }
    return parts;
}

void Retyping::switch_over() {
    Step step = composer_.start(action_, StepKind::sync);
    composer_.lock(step, action_, exclusive());
    const Statements statements = turn();
    const std::string drop = composer_.drop_trigger(action_);
    step.command = drop + "; " + join(statements, " ") + " " + turned_;
    step.parameters = {{"trigger", kSyncTrigger},
                       {"columns", retype_.parked},
                       {"unseen", "yes"},
                       {"drop", drop},
                       {"turn", join(statements, " ")},
                       {"create", turned_},
                       {"statements", std::to_string(statements.size() + 2)}};
    step.note = name_ + " is " + rename_.type + " from here on, and " + retype_.parked +
                " follows it for a rollback";
    if (retype_.partial)
        step.note += "; there a value that " + retype_.old_type + " can't hold is NULL";
    step.note +=
        "; prepared statements that return or compare " + name_ +
        " fail once with 0A000, \"cached plan must not change result type\", and must be prepared "
        "again";
    step.undo = undo_switch(step);
    composer_.add(Slot::switch_, step);
}

void Retyping::remove() {
    Statements then = {alter(table_) + "DROP COLUMN " + retype_.parked + ";"};
    name_indexes(then);
    for (std::size_t i = 0; i < rename_.constraints.size(); ++i)
        if (rename_.constraints[i].foreign_key) name_constraint(then, i);
    name_statistics(then);

    Step step = composer_.start(action_, StepKind::unsync);
    std::vector<TableLock> locks = {{action_.table, LockMode::access_exclusive}};
    for (const auto& held : key_locks())
        if (std::none_of(locks.begin(), locks.end(),
                         [&](const TableLock& other) { return other.table == held.table; }))
            locks.push_back(held);
    composer_.lock(step, action_, locks_of(locks));
    const std::string drop = composer_.drop_trigger(action_);
    step.command = drop + "; " + join(then, " ");
    step.parameters = {{"trigger", kSyncTrigger},
                       {"drop", drop},
                       {"then", join(then, " ")},
                       {"statements", std::to_string(then.size())}};
    step.removal = true;
    step.note =
        "in one transaction: the old values go, and the copies take the names; prepared statements "
        "that return all columns fail once with 0A000 and must be prepared again";
    composer_.add(Slot::unsync, step);
}

}  // namespace

void plan_action(Composer& composer, const Action& action, const RetypeColumn& retype) {
    Retyping{composer, action, retype}.plan();
}

}  // namespace zdm::plan
