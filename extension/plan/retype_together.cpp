#include "plan/retype_together.hpp"

#include <algorithm>

namespace zdm::plan {

namespace {

// Those behind it move up.
template <class Entries, class Place>
void forget(Entries& entries, Place place, std::size_t gone) {
    entries.erase(std::remove_if(entries.begin(), entries.end(),
                                 [&](const auto& entry) { return entry.*place == gone; }),
                  entries.end());
    for (auto& entry : entries)
        if (entry.*place > gone) --(entry.*place);
}

template <class Entries>
void take_out(Entries& entries, std::size_t place) {
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(place));
}

void leave_out_index(RetypeColumn& retype, std::size_t place) {
    take_out(retype.copies.indexes, place);
    forget(retype.primaries, &OldPrimary::index, place);
}

void leave_out_constraint(RetypeColumn& retype, std::size_t place) {
    take_out(retype.copies.constraints, place);
    forget(retype.checks, &OldConstraint::copy, place);
    forget(retype.keys, &OldConstraint::copy, place);
}

template <class Entry, class Same>
std::size_t find(const std::vector<Entry>& entries, Same same) {
    return static_cast<std::size_t>(std::find_if(entries.begin(), entries.end(), same) -
                                    entries.begin());
}

std::size_t find_constraint(const RetypeColumn& retype, const CopiedConstraint& wanted) {
    return find(retype.copies.constraints, [&](const CopiedConstraint& one) {
        return one.table == wanted.table && one.name == wanted.name &&
               one.partition == wanted.partition;
    });
}

const OldConstraint* old_key(const RetypeColumn& retype, std::size_t copy) {
    const auto place =
        find(retype.keys, [&](const OldConstraint& key) { return key.copy == copy; });
    return place == retype.keys.size() ? nullptr : &retype.keys[place];
}

void share_indexes(RetypeColumn& earlier, const RetypeColumn& later) {
    for (const auto& index : later.copies.indexes) {
        const std::size_t place = find(earlier.copies.indexes, [&](const CopiedIndex& one) {
            return one.schema == index.schema && one.name == index.name;
        });
        if (place < earlier.copies.indexes.size()) leave_out_index(earlier, place);
    }
}

void share_publications(RetypeColumn& earlier, const RetypeColumn& later) {
    auto& all = earlier.copies.publications;
    for (const auto& publication : later.copies.publications) {
        const std::size_t place =
            find(all, [&](const ChangedPublication& one) { return one.name == publication.name; });
        if (place < all.size()) take_out(all, place);
    }
}

void share_statistics(RetypeColumn& earlier, const RetypeColumn& later) {
    auto& all = earlier.copies.statistics;
    for (const auto& statistics : later.copies.statistics) {
        const std::size_t place = find(all, [&](const CopiedStatistics& one) {
            return one.schema == statistics.schema && one.name == statistics.name;
        });
        if (place < all.size()) take_out(all, place);
    }
}

// Of a foreign key within the table, from one to the other, it is enough that it refers to one.
void share_constraints(RetypeColumn& earlier, RetypeColumn& later) {
    for (std::size_t i = 0; i < later.copies.constraints.size(); ++i) {
        CopiedConstraint& copy = later.copies.constraints[i];
        const std::size_t place = find_constraint(earlier, copy);
        if (place == earlier.copies.constraints.size()) continue;
        copy.both = copy.both || earlier.copies.constraints[place].both;
        const OldConstraint* const key = old_key(earlier, place);
        if (key != nullptr && old_key(later, i) == nullptr) {
            copy.incoming = true;
            later.keys.push_back({i, key->definition});
        }
        leave_out_constraint(earlier, place);
    }
}

void give_away(RetypeColumn& retype, const CopiedConstraint& key) {
    retype.given_away.push_back(key.name);
    retype.led = retype.led || key.writes;
}

// The table that is referred to keeps a foreign key.
void share_keys(Retyped earlier, Retyped later) {
    auto& copies = later.retype.copies.constraints;
    for (std::size_t i = copies.size(); i-- > 0;) {
        const std::size_t place = find_constraint(earlier.retype, copies[i]);
        if (place == earlier.retype.copies.constraints.size()) continue;
        if (copies[i].incoming) {
            copies[i].both = true;
            later.retype.tied.push_back(earlier.table);
            give_away(earlier.retype, copies[i]);
            leave_out_constraint(earlier.retype, place);
        } else {
            CopiedConstraint& kept = earlier.retype.copies.constraints[place];
            kept.definition = copies[i].definition;
            kept.both = true;
            earlier.retype.tied.push_back(later.table);
            give_away(later.retype, copies[i]);
            leave_out_constraint(later.retype, i);
        }
    }
}

}  // namespace

void share(Retyped earlier, Retyped later) {
    if (earlier.table != later.table) return share_keys(earlier, later);
    share_indexes(earlier.retype, later.retype);
    share_publications(earlier.retype, later.retype);
    share_statistics(earlier.retype, later.retype);
    share_constraints(earlier.retype, later.retype);
}

Statements given_away(const std::vector<Retyped>& all, std::size_t table) {
    Statements keys;
    for (const auto& one : all)
        if (one.table == table)
            keys.insert(keys.end(), one.retype.given_away.begin(), one.retype.given_away.end());
    return keys;
}

}  // namespace zdm::plan
