// The parts of the plan of a column that gets another type: it takes the place of the old one in
// the switch, together with all columns of the table to which that happens
// (rules_retype_table.cpp). Pure.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "plan/renaming.hpp"
#include "plan/sequences.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

class Retyping : public Renaming {
public:
    using Renaming::Filled;
    Retyping(Composer& composer, const Action& action, const RetypeColumn& retype)
        : Renaming(composer, action, retype.copies),
          retype_(retype),
          name_(retype.copies.column),
          shadow_(retype.copies.renamed) {}

    void check() const;
    // In expand and migrate.
    void add_columns();
    Filled filled() const { return {shadow_, retype_.up}; }
    void fill_all(const std::vector<Filled>& all) { fill(all); }
    void copy();

    // Rules of the trigger: before the switch, and after it.
    std::vector<std::string> forward() const;
    std::vector<std::string> turned() const;
    // Both sides of the comparison before the switch, and of the one after it.
    Following follows() const;
    Going goes() const;
    Following follows_again() const;
    Going goes_again() const;

    // The transaction of the switch, and that of the way back: of each column the first part, then
    // of each the second, and so on.
    enum class Part { release, drop, rename, key, add };
    void turn(Script& all, Part part) const;
    void turn_back(Script& all, Part part) const;
    void add_locks(std::vector<TableLock>& locks) const;
    // Under NOT NULL again before anything changes hands on the way back.
    Undos prove() const;
    Undos validate_again() const;
    // Contract: what goes with the old column, and what then gets its name.
    void remove(Script& then, std::vector<TableLock>& locks) const;
    // After the switch: what it added without looking at rows.
    void validate_late() const;

    std::string watch_note() const;
    std::string switch_note() const;
    void add_notes();

    const RetypeColumn& facts() const { return retype_; }
    const Action& action() const { return action_; }
    const std::string& name() const { return name_; }
    const std::string& shadow() const { return shadow_; }
    const std::string& parked() const { return retype_.parked; }
    std::vector<std::string> all_sequences() const { return sequences(); }

private:
    void refuse_company() const;
    void refuse_reading(const RetypeColumn& other) const;
    void refuse_late() const;
    bool is_led() const;
    void add_own_columns();
    void build_second();
    void forbid_null(Script& all) const;
    void free_partitions(Script& all, const std::string& column) const;
    void own_not_null(Script& all) const;
    void drop_constraint(Script& all, const OldConstraint& old) const;
    void drop_primaries(Script& all) const;
    void add_not_valid(Script& all, const OldConstraint& old) const;
    void add_primary(Script& all, const OldPrimary& primary) const;
    void add_old_primary(Script& all, std::size_t i) const;
    void own_sequences(Script& all, const std::string& type) const;
    // Either the copies of indexes are the replica identity, or the originals.
    void identify(Script& all, std::size_t i, bool by_copies) const;
    void release(Script& all) const;
    void drop_old(Script& all) const;
    void key_new(Script& all) const;
    void add_new(Script& all) const;
    void drop_new(Script& all) const;
    void key_old(Script& all) const;
    void add_old(Script& all) const;
    Undo validate(const OldConstraint& old) const;
    std::string what_is_lost() const;
    bool is_identity() const { return !rename_.identity.sequence.empty(); }
    bool is_primary(std::size_t index) const {
        return std::any_of(retype_.primaries.begin(), retype_.primaries.end(),
                           [&](const OldPrimary& primary) { return primary.index == index; });
    }
    const CopiedConstraint& copy_of(const OldConstraint& old) const {
        return rename_.constraints[old.copy];
    }
    // Of one that a leaf alone has, the leaf.
    std::string alter_owner(const OldConstraint& old) const {
        const CopiedConstraint& copy = copy_of(old);
        if (copy.partition) return "ALTER TABLE " + partition(*copy.partition).qualified + " ";
        return alter(composer_.facts().tables.at(copy.table));
    }
    void add_to(Script& all, const OldConstraint& old, const Statements& statements) const {
        const CopiedConstraint& copy = copy_of(old);
        if (copy.partition)
            all.about(partition(*copy.partition).qualified, statements);
        else
            all.append(statements);
    }
    // The columns of a primary key, under the names that they have at another time.
    std::string key_before(const OldPrimary& primary) const;
    std::string key_after(const OldPrimary& primary) const;
    std::string column(const std::string& name) const {
        return alter(table_) + "ALTER COLUMN " + name + " ";
    }
    std::string rename(const std::string& from, const std::string& to) const {
        return alter(table_) + "RENAME COLUMN " + from + " TO " + to + ";";
    }
    void anew(Script& script) const {
        for (const auto& trigger : retype_.triggers) script.append(trigger);
    }

    const RetypeColumn& retype_;
    const std::string& name_;    // that the application knows
    const std::string& shadow_;  // the private name before the switch
    // The index from which an old primary key could come back, in their order.
    struct Second {
        std::string name;
        std::vector<std::string> parts;  // of a partitioned table's
    };
    std::vector<Second> seconds_;
    std::string helper_;  // the proof of NOT NULL on the way back
};

// Statements of one column's type are planned with those of all columns of its table.
std::vector<const Action*> retyped_columns(const Facts& facts, std::size_t table);

}  // namespace zdm::plan
