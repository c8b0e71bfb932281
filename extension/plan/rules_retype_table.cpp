// Columns of one table that get other types change hands together: one trigger, one comparison, one
// transaction of the switch. Tables that foreign keys tie change one after the other, first those
// that are referred to.
#include <map>
#include <type_traits>

#include "plan/retyping.hpp"
#include "plan/text.hpp"

namespace zdm::plan {

namespace {

template <class Element>
std::vector<Element> flat(const std::vector<std::vector<Element>>& parts) {
    std::vector<Element> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

class TypeChange {
public:
    TypeChange(Composer& composer, std::size_t table)
        : composer_(composer), table_(composer.facts().tables.at(table)), index_(table) {
        const auto actions = retyped_columns(composer.facts(), table);
        columns_.reserve(actions.size());
        for (const auto* action : actions)
            columns_.emplace_back(composer, *action, std::get<RetypeColumn>(action->detail));
    }

    void plan() {
        for (const auto& column : columns_) column.check();
        for (auto& column : columns_) column.add_columns();
        watch();
        columns_.front().fill_all(each([](const Retyping& column) { return column.filled(); }));
        for (auto& column : columns_) column.copy();
        compare_sides();
        switch_over();
        for (const auto& column : columns_) column.validate_late();
        remove();
        for (auto& column : columns_) column.add_notes();
    }

private:
    using Part = Retyping::Part;
    static constexpr Part kParts[] = {Part::release, Part::drop, Part::rename, Part::key,
                                      Part::add};

    const Action& action() const { return columns_.front().action(); }
    template <class Function>
    std::vector<std::invoke_result_t<Function, const Retyping&>> each(Function function) const {
        std::vector<std::invoke_result_t<Function, const Retyping&>> all;
        for (const auto& column : columns_) all.push_back(function(column));
        return all;
    }
    std::vector<std::string> forward() const {
        return flat(each([](const Retyping& column) { return column.forward(); }));
    }
    std::vector<std::string> turned() const {
        return flat(each([](const Retyping& column) { return column.turned(); }));
    }
    std::string shadows() const {
        return join(each([](const Retyping& column) { return column.shadow(); }));
    }
    // Columns that only this migration knows, a line each: before the switch, and after it.
    std::string private_before() const {
        return join(each([](const Retyping& column) { return column.shadow(); }), "\n");
    }
    std::string private_after() const {
        return join(each([](const Retyping& column) { return column.parked(); }), "\n");
    }
    std::string names() const {
        return join(each([](const Retyping& column) { return column.name(); }));
    }

    void watch();
    void compare_sides();
    void switch_over();
    void remove();
    // Names change hands between two triggers; `rules` are those of the next one, which fills
    // `columns`.
    struct Exchange {
        std::string command;
        std::map<std::string, std::string> parameters;
    };
    Exchange exchange(const Script& script, const std::string& columns,
                      const std::vector<std::string>& rules) const;
    Undos undo_switch(const Step& step) const;

    Composer& composer_;
    const Table& table_;
    std::size_t index_;
    std::vector<Retyping> columns_;
};

void TypeChange::watch() {
    Step step = composer_.start(action(), StepKind::sync);
    step.command = composer_.create_trigger(action(), forward());
    composer_.lock(step, action(), composer_.lock_trigger(index_, LockMode::share_row_exclusive));
    step.undo = {{StepKind::unsync,
                  composer_.drop_trigger(action()),
                  {{"trigger", kSyncTrigger}},
                  locks_at(step, LockMode::access_exclusive)}};
    step.note = "rows that applications write from now on: " +
                join(each([](const Retyping& column) { return column.watch_note(); }), "; ");
    step.parameters = {{"trigger", kSyncTrigger}, {"columns", shadows()}, {"unseen", "yes"}};
    composer_.add(Slot::sync, step);
    if (!table_.has_children) return;
    for (const auto& child : table_.partitions) {
        Step same = composer_.sync_child(action(), child, forward(), step.parameters);
        same.note = step.note;
        same.undo.front().parameters["private"] = private_before();
        composer_.add(Slot::sync, same);
    }
}

void TypeChange::compare_sides() {
    composer_.verify(Slot::proof, action(),
                     compare(each([](const Retyping& column) { return column.follows(); }),
                             each([](const Retyping& column) { return column.goes(); })));
    composer_.verify(Slot::verify, action(),
                     compare(each([](const Retyping& column) { return column.follows_again(); }),
                             each([](const Retyping& column) { return column.goes_again(); })));
}

TypeChange::Exchange TypeChange::exchange(const Script& script, const std::string& columns,
                                          const std::vector<std::string>& rules) const {
    const std::string create = composer_.create_trigger(action(), rules);
    const std::string drop = composer_.drop_trigger(action());
    const std::string turn = join(script.statements(), " ");
    Exchange exchange{drop + "; " + turn + " " + create,
                      {{"trigger", kSyncTrigger},
                       {"columns", columns},
                       {"unseen", "yes"},
                       {"drop", drop},
                       {"turn", turn},
                       {"create", create},
                       {"statements", std::to_string(script.statements().size() + 2)}}};
    script.describe(exchange.parameters);
    if (table_.has_children) {
        exchange.parameters["children"] = "yes";
        exchange.parameters["create_behind"] = composer_.trigger_tail(rules);
    }
    return exchange;
}

Undos TypeChange::undo_switch(const Step& step) const {
    Undos parts = flat(each([](const Retyping& column) { return column.prove(); }));
    Script script;
    for (const Part part : kParts)
        for (const auto& column : columns_) column.turn_back(script, part);
    const Exchange back = exchange(script, shadows(), forward());
    parts.push_back({StepKind::sync, back.command, back.parameters, step.locks});
    if (table_.has_children) parts.back().parameters["private"] = private_after();
    const Undos proofs = flat(each([](const Retyping& column) { return column.validate_again(); }));
    parts.insert(parts.end(), proofs.begin(), proofs.end());
    return parts;
}

void TypeChange::switch_over() {
    Step step = composer_.start(action(), StepKind::sync);
    std::vector<TableLock> locks = lock_all(index_, LockMode::access_exclusive).locks;
    for (const auto& column : columns_) column.add_locks(locks);
    composer_.lock(step, action(), locks_of(locks));
    for (const auto& column : columns_) lock_sequences(step, column.all_sequences());
    Script script;
    for (const Part part : kParts)
        for (const auto& column : columns_) column.turn(script, part);
    const Exchange over = exchange(
        script, join(each([](const Retyping& column) { return column.parked(); })), turned());
    step.command = over.command;
    step.parameters = over.parameters;
    std::vector<std::string> hanging =
        each([](const Retyping& column) { return column.facts().copies.hanging; });
    hanging.erase(std::remove(hanging.begin(), hanging.end(), ""), hanging.end());
    composer_.guard(step, join(hanging));
    if (table_.has_children) step.parameters["private"] = private_before();
    if (table_.is_tree())
        step.parameters["below"] =
            "{" + join(each([](const Retyping& column) { return column.facts().below; })) + "}";
    step.note = join(each([](const Retyping& column) { return column.switch_note(); }), "; ") +
                "; prepared statements that return or compare " + names() +
                " fail once with 0A000, \"cached plan must not change result type\", and must be "
                "prepared again";
    step.undo = undo_switch(step);
    composer_.add(Slot::switch_, step);
}

void TypeChange::remove() {
    Script then;
    std::vector<TableLock> locks = lock_all(index_, LockMode::access_exclusive).locks;
    for (const auto& column : columns_) column.remove(then, locks);

    Step step = composer_.start(action(), StepKind::unsync);
    composer_.lock(step, action(), locks_of(locks));
    const std::string drop = composer_.drop_trigger(action());
    const std::string text = join(then.statements(), " ");
    step.command = drop + "; " + text;
    step.parameters = {{"trigger", kSyncTrigger},
                       {"drop", drop},
                       {"then", text},
                       {"statements", std::to_string(then.statements().size())}};
    then.describe(step.parameters);
    if (table_.has_children) {
        step.parameters["children"] = "yes";
        step.parameters["private"] = private_after();
    }
    step.removal = true;
    step.note =
        "in one transaction: the old values go, and the copies take the names; prepared statements "
        "that return all columns fail once with 0A000 and must be prepared again";
    composer_.add(Slot::unsync, step);
}

bool is_done(const std::vector<std::size_t>& tables, std::size_t table) {
    return std::find(tables.begin(), tables.end(), table) != tables.end();
}

// Of a foreign key of two columns that both change the table that it refers to has the copy: it is
// about the new columns of both, and takes the name when those of that table change hands. So that
// is the first, and the way back the other way round.
bool waits_for_others(const Facts& facts, std::size_t table, const std::vector<std::size_t>& done) {
    for (const auto& action : facts.actions) {
        const auto* retype = std::get_if<RetypeColumn>(&action.detail);
        if (retype == nullptr || action.table == table || is_done(done, action.table)) continue;
        for (const auto& tied : retype->tied)
            if (tied == table) return true;
    }
    return false;
}

}  // namespace

std::vector<const Action*> retyped_columns(const Facts& facts, std::size_t table) {
    std::vector<const Action*> found;
    for (const auto& action : facts.actions)
        if (action.table == table && std::holds_alternative<RetypeColumn>(action.detail))
            found.push_back(&action);
    return found;
}

// With the first of them all are planned.
void plan_action(Composer& composer, const Action& action, const RetypeColumn&) {
    const Facts& facts = composer.facts();
    std::vector<std::size_t> tables;
    for (const auto& other : facts.actions) {
        if (!std::holds_alternative<RetypeColumn>(other.detail)) continue;
        if (tables.empty() && &other != &action) return;
        if (!is_done(tables, other.table)) tables.push_back(other.table);
    }
    std::vector<std::size_t> done;
    while (done.size() < tables.size()) {
        const auto next = std::find_if(tables.begin(), tables.end(), [&](std::size_t table) {
            return !is_done(done, table) && !waits_for_others(facts, table, done);
        });
        if (next == tables.end())
            refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
                   "foreign keys tie the columns whose types change in a circle", {},
                   "Change the types of one table in a migration of its own.");
        done.push_back(*next);
        TypeChange{composer, *next}.plan();
    }
}

}  // namespace zdm::plan
