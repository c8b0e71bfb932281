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
    for (const auto& view : rename.views) names.insert(view.name);
    return names;
}

// What of other tables hangs on the column, and how it would be called there.
std::set<std::string> shared(const RenameColumn& rename) {
    std::set<std::string> names;
    for (const auto& constraint : rename.constraints)
        names.insert(std::to_string(constraint.table) + "." + constraint.name);
    for (const auto& view : rename.views) names.insert(view.name);
    return names;
}

bool meet(const std::set<std::string>& one, const std::set<std::string>& other) {
    return std::any_of(one.begin(), one.end(),
                       [&](const std::string& name) { return other.count(name) != 0; });
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
    Names operator()(const AddUnique& add) const { return add.columns; }
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

}  // namespace

bool are_apart(const Action& action, const RenameColumn& rename, const Action& other) {
    if (other.table != action.table) return !reaches(other, rename);
    auto mine = pieces(rename);
    mine.insert(rename.column);
    mine.insert(rename.renamed);
    const auto names = std::visit(Named{}, other.detail);
    return names && !meet({names->begin(), names->end()}, mine);
}

}  // namespace zdm::plan
