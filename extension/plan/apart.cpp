#include "plan/apart.hpp"

#include <algorithm>
#include <set>

namespace zdm::plan {

namespace {

// All names by which two renames of one table could get into each other's way.
std::set<std::string> pieces(const RenameColumn& rename) {
    std::set<std::string> names;
    for (const auto& constraint : rename.constraints) names.insert(constraint.name);
    for (const auto& index : rename.indexes) names.insert(index.name);
    for (const auto& statistics : rename.statistics) names.insert(statistics.name);
    for (const auto& trigger : rename.triggers) names.insert(trigger.name);
    return names;
}

// What of other tables hangs on the column, and how it would be called there.
std::set<std::string> shared(const RenameColumn& rename) {
    std::set<std::string> names;
    for (const auto& constraint : rename.constraints)
        names.insert(std::to_string(constraint.table) + "." + constraint.name);
    return names;
}

bool meet(const std::set<std::string>& one, const std::set<std::string>& other) {
    return std::any_of(one.begin(), one.end(),
                       [&](const std::string& name) { return other.count(name) != 0; });
}

bool names(const Action& action, std::size_t table) {
    return std::find(action.names.begin(), action.names.end(), table) != action.names.end();
}

// Whether a foreign key rests on one of these columns of the table.
bool rests_on(const Action& other, std::size_t table, const std::set<std::string>& columns) {
    const auto* key = std::get_if<AddForeignKey>(&other.detail);
    if (key == nullptr || key->referenced != table) return false;
    return meet({key->referenced_columns.begin(), key->referenced_columns.end()}, columns);
}

// Whether an action may hold on to columns of a table that it names: a view, function or table that
// is made. What changes rows of other tables is done before contract.
bool may_hold(const Action& other, std::size_t table) {
    const auto* direct = std::get_if<Direct>(&other.detail);
    return direct != nullptr && !direct->data && names(other, table);
}

// Whether an action about another table changes what hangs on the column.
bool reaches(const Action& other, const RenameColumn& rename) {
    if (const auto* renamed = std::get_if<RenameColumn>(&other.detail))
        return meet(shared(*renamed), shared(rename));
    const auto* drop = std::get_if<DropConstraint>(&other.detail);
    const auto* validate = std::get_if<Validate>(&other.detail);
    return std::any_of(rename.constraints.begin(), rename.constraints.end(),
                       [&](const CopiedConstraint& copy) {
                           if (copy.table != other.table) return false;
                           return std::holds_alternative<DropTable>(other.detail) ||
                                  (drop != nullptr && drop->name == copy.name) ||
                                  (validate != nullptr && validate->name == copy.name);
                       });
}

// What another action names of its table: columns, constraints, indexes. nullopt: who knows.
struct Named {
    using Names = std::optional<std::vector<std::string>>;
    static Names one(const std::string& name) { return std::vector<std::string>{name}; }
    Names operator()(const AddColumn& add) const { return one(add.column); }
    Names operator()(const DropColumn& drop) const { return one(drop.column); }
    Names operator()(const SetNotNull& set) const { return one(set.column); }
    Names operator()(const DropNotNull& drop) const { return one(drop.column); }
    Names operator()(const SetDefault& set) const { return one(set.column); }
    Names operator()(const AddCheck& add) const { return add.columns; }
    Names operator()(const AddForeignKey& add) const { return add.columns; }
    Names operator()(const AddUnique& add) const {
        Names all = add.columns;
        all->insert(all->end(), add.included.begin(), add.included.end());
        return all;
    }
    Names operator()(const CreateIndex& index) const { return index.columns; }
    Names operator()(const Validate& validate) const { return one(validate.name); }
    Names operator()(const DropConstraint& drop) const { return one(drop.name); }
    Names operator()(const DropIndex& drop) const { return one(drop.name); }
    Names operator()(const Insert&) const { return Names{std::in_place}; }
    Names operator()(const RenameColumn& rename) const {
        auto names = pieces(rename);
        names.insert(rename.column);
        names.insert(rename.renamed);
        return std::vector<std::string>{names.begin(), names.end()};
    }
    Names operator()(const Update& update) const {
        Names all = update.rest_reads;
        for (const auto& assignment : update.assignments) {
            all->push_back(assignment.column);
            all->insert(all->end(), assignment.reads.begin(), assignment.reads.end());
        }
        return all;
    }
    Names operator()(const DropTable&) const { return std::nullopt; }
    Names operator()(const RenameTable&) const { return std::nullopt; }
    Names operator()(const RetypeColumn&) const { return std::nullopt; }
    Names operator()(const Delete&) const { return std::nullopt; }
    Names operator()(const Direct&) const { return std::nullopt; }
};

// Whether it may stand beside statements about tables above: it changes rows, an index, or an entry
// in the catalog that concerns nothing else.
bool stands_alone(const Action& action) {
    const auto& detail = action.detail;
    return std::holds_alternative<Update>(detail) || std::holds_alternative<Delete>(detail) ||
           std::holds_alternative<Insert>(detail) || std::holds_alternative<CreateIndex>(detail) ||
           std::holds_alternative<DropIndex>(detail) || std::holds_alternative<Direct>(detail);
}

}  // namespace

bool touches(const Action& action, std::size_t table) {
    if (action.table == table || names(action, table)) return true;
    const auto& locks = action.seen.locks;
    return std::any_of(locks.begin(), locks.end(),
                       [&](const TableLock& held) { return held.table == table; });
}

bool is_above(const Table& table, const Table& other) {
    return !other.made_here() &&
           std::any_of(table.partitions.begin(), table.partitions.end(),
                       [&](const Partition& partition) { return partition.oid == other.oid; });
}

void refuse_in_one_tree(const Facts& facts) {
    for (const auto& action : facts.actions) {
        if (action.table == kNoTable || stands_alone(action)) continue;
        const Table& table = facts.tables.at(action.table);
        for (const auto& other : facts.actions) {
            if (other.table == kNoTable || !is_above(facts.tables.at(other.table), table)) continue;
            refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
                   "this statement is about " + table.qualified + ", and line " +
                       std::to_string(other.at.line) + " about " +
                       facts.tables.at(other.table).qualified + " above it",
                   "What a table hands down and what one below it has of its own would meet.",
                   "Write one of them in a migration of its own.");
        }
    }
}

bool are_apart(const Action& action, const RenameColumn& rename, const Action& other) {
    auto mine = pieces(rename);
    mine.insert(rename.column);
    mine.insert(rename.renamed);
    if (rests_on(other, action.table, mine)) return false;
    if (other.table != action.table)
        return !reaches(other, rename) && !may_hold(other, action.table);
    const auto all = std::visit(Named{}, other.detail);
    return all && !meet({all->begin(), all->end()}, mine);
}

}  // namespace zdm::plan
