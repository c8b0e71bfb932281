// Columns with a sequence of their own. An identity column must be NOT NULL and have no default, so
// a new one is a plain column with a default until no row is NULL any more. Its sequence belongs to
// it alone and can't be given one that is there: one of the same name takes over the value.
#include "plan/sequences.hpp"

#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

std::string alter_column(const Table& table, const AddColumn& add) {
    return "ALTER TABLE " + table.qualified + " ALTER COLUMN " + add.column + " ";
}

Statements take_over(const Table& table, const AddColumn& add) {
    const std::string& sequence = add.sequence.name;
    const std::string column = alter_column(table, add);
    return {keep_value(sequence), column + "DROP DEFAULT;", "DROP SEQUENCE " + sequence + ";",
            column + "ADD " + add.sequence.identity + ";", give_value(sequence)};
}

Statements give_back(const Table& table, const AddColumn& add) {
    const std::string& sequence = add.sequence.name;
    const std::string column = alter_column(table, add);
    Statements all = {keep_value(sequence), column + "DROP IDENTITY;", add.sequence.create};
    const Statements owned = own_sequence(table, add);
    all.insert(all.end(), owned.begin(), owned.end());
    all.push_back(column + "SET DEFAULT " + add.default_text + ";");
    all.push_back(give_value(sequence));
    return all;
}

}  // namespace

std::string keep_value(const std::string& sequence) {
    return "SELECT pg_catalog.set_config('zdm_rename.last_value', last_value::pg_catalog.text, "
           "true), pg_catalog.set_config('zdm_rename.is_called', is_called::pg_catalog.text, "
           "true) FROM " +
           sequence + ";";
}

std::string give_value(const std::string& sequence) {
    return "SELECT pg_catalog.setval(" + literal(sequence) +
           "::pg_catalog.regclass, pg_catalog.current_setting('zdm_rename.last_value')"
           "::pg_catalog.int8, pg_catalog.current_setting('zdm_rename.is_called')"
           "::pg_catalog.bool);";
}

Statements own_sequence(const Table& table, const AddColumn& add) {
    Statements all;
    const std::string alter = "ALTER SEQUENCE " + add.sequence.name;
    // A sequence has the owner of its table.
    if (!add.sequence.owner.empty()) all.push_back(alter + " OWNER TO " + add.sequence.owner + ";");
    all.push_back(alter + " OWNED BY " + table.qualified + "." + add.column + ";");
    // An identity asks no inserting role for a right on its sequence, a default does.
    if (add.sequence.is_identity())
        all.push_back("GRANT USAGE ON SEQUENCE " + add.sequence.name + " TO PUBLIC;");
    return all;
}

void add_identity(Composer& composer, const Action& action, const AddColumn& add) {
    const Table& table = composer.table(action);
    const Statements over = take_over(table, add);
    const Statements back = give_back(table, add);
    Step step = composer.start(action, StepKind::ddl);
    composer.lock(step, action, lock_all(action.table, LockMode::access_exclusive));
    lock_sequences(step, {add.sequence.name});
    step.command = join(over, " ");
    step.undo =
        undo_ddl(step, join(back, " "), LockMode::access_exclusive, static_cast<int>(back.size()));
    step.parameters = {{"path", "pinned"}, {"statements", std::to_string(over.size())}};
    step.note =
        "nothing is scanned; the identity's sequence goes on where the other one was; currval and "
        "lastval of sessions begin anew";
    // The trigger depends on the sequence that goes.
    composer.add(Slot::finish, step);
}

void note_sequence(Composer& composer, const Action& action, const AddColumn& add) {
    const Table& table = composer.table(action);
    const std::string& sequence = add.sequence.name;
    const std::string column = table.qualified + "." + add.column;
    if (add.sequence.is_identity())
        composer.note("until contract " + column + " is a plain column with a default: a value " +
                      "that an INSERT or UPDATE gives is taken, whatever the identity will say " +
                      "of it, and every role may draw from " + sequence);
    else
        composer.note("from expand on roles that INSERT into " + table.qualified +
                      " need USAGE on " + sequence + ", as after the plain statement");
}

}  // namespace zdm::plan
