// What the whole file says about each column, read before any step is made.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"

namespace zdm::plan {

namespace {

void enforce(Survey& survey, std::size_t table, const std::vector<std::string>& columns) {
    for (const auto& column : columns) survey.enforced.insert({table, column});
}

// Whether an assignment gives a value to a column that has none: one that the migration makes, or
// one that WHERE wants NULL.
bool fills(const Survey& survey, const Action& action, const Update& update,
           const Assignment& assignment) {
    if (assignment.null || contains(update.rest_reads, assignment.column)) return false;
    if (assignment.marked) return true;
    // Rows that an earlier statement changed have a value that this one would replace.
    const ColumnKey key{action.table, assignment.column};
    return survey.made.count(key) != 0 && survey.changed.count(key) == 0 &&
           survey.inserted.count(action.table) == 0;
}

void note_update(Survey& survey, const Action& action, const Update& update) {
    for (const auto& assignment : update.assignments) {
        const ColumnKey key{action.table, assignment.column};
        const auto made = survey.made.find(key);
        if (fills(survey, action, update, assignment)) {
            survey.filled.insert({key, &assignment});
            survey.fills.insert(&assignment);
            if (made != survey.made.end() && !made->second->default_text.empty() &&
                !assignment.marked)
                survey.late_default.insert(key);
        }
        survey.changed.insert(key);
    }
}

struct Reader {
    Survey& survey;
    const Action& action;

    void operator()(const AddColumn& add) {
        survey.made[{action.table, add.column}] = &add;
        if (add.late_default) survey.late_default.insert({action.table, add.column});
        if (add.not_null) survey.enforced.insert({action.table, add.column});
    }
    void operator()(const SetNotNull& set) { enforce(survey, action.table, {set.column}); }
    void operator()(const AddCheck& add) { enforce(survey, action.table, add.columns); }
    void operator()(const AddForeignKey& add) { enforce(survey, action.table, add.columns); }
    void operator()(const AddUnique& add) { enforce(survey, action.table, add.columns); }
    void operator()(const CreateIndex& index) {
        if (index.unique) enforce(survey, action.table, index.columns);
    }
    void operator()(const DropColumn& drop) { survey.dropped.insert({action.table, drop.column}); }
    void operator()(const DropTable&) { survey.dropped_tables.insert(action.table); }
    void operator()(const Update& update) { note_update(survey, action, update); }
    void operator()(const Delete&) { survey.rows_changed.insert(action.table); }
    void operator()(const Insert&) {
        survey.rows_changed.insert(action.table);
        survey.inserted.insert(action.table);
    }
    void operator()(const DropNotNull&) {}
    void operator()(const SetDefault&) {}
    void operator()(const Validate&) {}
    void operator()(const DropConstraint&) {}
    void operator()(const DropIndex&) {}
    void operator()(const RenameColumn&) {}
    void operator()(const RetypeColumn&) {}
    void operator()(const RenameTable&) {}
    void operator()(const Direct&) {}
};

// The name that an action gives to a constraint or an index, empty for none.
std::string constraint_made(const Action& action) {
    if (const auto* check = std::get_if<AddCheck>(&action.detail)) return check->name;
    if (const auto* key = std::get_if<AddForeignKey>(&action.detail)) return key->name;
    if (const auto* unique = std::get_if<AddUnique>(&action.detail)) return unique->name;
    return {};
}

// A name that is dropped and then made again in one file.
void find_remade(Survey& survey, const Facts& facts) {
    for (std::size_t first = 0; first < facts.actions.size(); ++first) {
        const Action& drop = facts.actions[first];
        const auto* constraint = std::get_if<DropConstraint>(&drop.detail);
        const auto* index = std::get_if<DropIndex>(&drop.detail);
        for (std::size_t later = first + 1; later < facts.actions.size(); ++later) {
            const Action& make = facts.actions[later];
            const auto* made = std::get_if<CreateIndex>(&make.detail);
            if (constraint != nullptr && make.table == drop.table &&
                constraint_made(make) == constraint->name)
                survey.remade[{drop.table, constraint->name}] = first;
            if (index != nullptr && made != nullptr && made->name == index->name &&
                made->schema == index->schema)
                survey.remade_indexes[index->schema + "." + index->name] = first;
        }
    }
}

}  // namespace

bool needs_sync(const Survey& survey, std::size_t table, const Assignment& assignment) {
    if (survey.enforced.count({table, assignment.column}) != 0) return true;
    return std::any_of(assignment.reads.begin(), assignment.reads.end(),
                       [&](const std::string& column) {
                           return survey.dropped.count({table, column}) != 0;
                       });
}

Survey survey(const Facts& facts) {
    Survey survey;
    for (const auto& action : facts.actions) std::visit(Reader{survey, action}, action.detail);
    find_remade(survey, facts);
    return survey;
}

}  // namespace zdm::plan
