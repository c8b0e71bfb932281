// ADD COLUMN ... GENERATED ALWAYS AS: a virtual column is an entry in the catalog, a stored one is
// refused with what to write instead.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/describe.hpp"
#include "plan/generated.hpp"
#include "plan/read_alter.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

Constraint* generation_of(const ColumnDef* column) {
    for (int i = 0; i < list_length(column->constraints); ++i) {
        Node* const node = static_cast<Node*>(list_nth(column->constraints, i));
        if (IsA(node, Constraint) && castNode(Constraint, node)->contype == CONSTR_GENERATED)
            return castNode(Constraint, node);
    }
    return nullptr;
}

void AlterReader::add_generated(AlterTableCmd* command, const Constraint* generation) {
    if (!pg::compat::is_virtual(generation)) refuse_stored(command);
    Action action = start();
    action.seen = replay(command);
    Direct direct;
    direct.command = action.written + ";";
    direct.undo = undo_column(command);
    direct.same_locks = true;
    direct.note =
        "changes the catalog only; prepared statements that return all columns fail once "
        "with 0A000 and must be prepared again";
    action.detail = direct;
    r_.add(std::move(action));
}

// The clone stays as it was.
void AlterReader::refuse_stored(AlterTableCmd* command) {
    const std::string name{castNode(ColumnDef, command->def)->colname};
    StoredColumn stored;
    {
        pg::Subtransaction attempt;
        replay(command, false);
        const ColumnFacts facts = describe_column(relation().clone, name).value();
        stored.column = facts.name;
        stored.definition = facts.definition;
        stored.expression = facts.default_text;
        stored.not_null = facts.not_null;
    }
    stored.table = table().qualified;
    // Behind other triggers that fire before: they may change what the expression reads.
    stored.trigger = pg::quote_ident("z_fill_" + name);
    stored.function =
        pg::quote_qualified(relation().schema, "fill_" + relation().name + "_" + name);
    const std::string instead = "let a trigger fill a plain column: " + plain_column_sql(stored);
    refuse(r_.source_.place(piece_.start), "ZD105", pg::state::kFeatureNotSupported,
           "a new column that is generated and stored, on a table that is in use, is not supported",
           "The server writes the whole table anew under a lock that blocks everybody.",
           pg::compat::kHasVirtual ? "Write VIRTUAL for STORED, or " + instead
                                   : "L" + instead.substr(1));
}

}  // namespace zdm::plan
