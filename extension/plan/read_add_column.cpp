// ALTER TABLE ADD COLUMN. A default for which the server would rewrite the table comes apart from
// the column, and rows of before get it from an UPDATE that nobody wrote; the numbers of a serial
// or identity column are such a default. What the statement as written would make is read back
// first.
#include "plan/read_alter.hpp"

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_data.hpp"
#include "plan/replay.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
}

namespace zdm::plan {

namespace {

AlterTableCmd* command_for(AlterTableType type, const std::string& column, Node* definition) {
    return pg::call([&] {
        AlterTableCmd* const made = makeNode(AlterTableCmd);
        made->subtype = type;
        made->name = pstrdup(column.c_str());
        made->def = definition;
        return made;
    });
}

// The option SEQUENCE NAME, taken out of a column definition; null when it has none.
List* take_name(ColumnDef* column) {
    for (int i = 0; i < list_length(column->constraints); ++i) {
        Node* const node = static_cast<Node*>(list_nth(column->constraints, i));
        if (!IsA(node, Constraint) || castNode(Constraint, node)->contype != CONSTR_IDENTITY)
            continue;
        auto* const identity = castNode(Constraint, node);
        for (int n = 0; n < list_length(identity->options); ++n) {
            auto* const option = static_cast<DefElem*>(list_nth(identity->options, n));
            if (std::string_view{option->defname} != "sequence_name") continue;
            pg::call([&] { identity->options = list_delete_nth_cell(identity->options, n); });
            return castNode(List, option->arg);
        }
    }
    return NIL;
}

bool is_unlogged(std::uint32_t relation) {
    return ask("SELECT relpersistence = 'u' FROM pg_catalog.pg_class WHERE oid = $1::oid",
               {std::int64_t{relation}})
        .front()
        .flag(0);
}

}  // namespace

void AlterReader::add_column(AlterTableCmd* command) {
    auto* const column = castNode(ColumnDef, command->def);
    const std::string name{column->colname};
    const Place at = r_.source_.place(piece_.start);
    const Constraint* const generation = generation_of(column);
    // A generated column takes no value.
    const Given* const up = generation == nullptr ? take(Way::up, column->colname) : nullptr;
    if (describe_column(relation().clone, name) && command->missing_ok) {
        r_.note(at, "column " + pg::quote_ident(name) + " exists already, nothing to do");
        return;
    }
    if (generation != nullptr) return add_generated(command, generation);
    const std::string sequence_name = take_sequence_name(column);
    const Written written = may_rewrite(column) ? try_column(command) : Written{};
    const bool late = written.rewrites && !table().empty;
    if (written.sequence && up != nullptr)
        refuse(at, "ZD105", pg::state::kFeatureNotSupported,
               "-- zdm: up can't fill column " + pg::quote_ident(name) +
                   ", which gets its values from a sequence",
               {}, "Take the comment out, or change the values in a later migration.");
    if (written.sequence && !late) return direct(command);
    const ColumnParts parts = split_column(column, late);

    Action action = start();
    action.seen = replay(command);
    AddColumn add;
    if (written.sequence) {
        add.sequence = make_sequence(*written.sequence, sequence_name, name);
        alter_clone(relation(), "ALTER COLUMN " + pg::quote_ident(name) +
                                    " SET DEFAULT pg_catalog.nextval(" +
                                    pg::quote_literal(add.sequence.name) + ")");
    } else if (late && parts.value != nullptr) {
        replay(command_for(AT_ColumnDefault, name, parts.value));
    }
    const ColumnFacts facts = describe_column(relation().clone, name).value();
    add.column = facts.name;
    add.definition = facts.definition;
    add.default_text = facts.default_text;
    add.not_null = parts.not_null;
    add.late_default = late && !facts.default_text.empty();
    const std::string identity = written.sequence && parts.identity
                                     ? written.sequence->generated + " AS IDENTITY"
                                     : std::string{};
    if (!identity.empty())
        r_.identities_.push_back({at, add.sequence.name, look_of_sequence(add.sequence.name)});
    const bool fill = add.late_default && up == nullptr && !action.seen.rewrites;
    action.detail = std::move(add);
    r_.add(std::move(action));
    if (up != nullptr) ups_.push_back(up);
    if (fill) DataReader{r_, statement_}.fill_default(alter_->relation, name, at);
    finish_column(name, parts, identity);
    for (Constraint* const constraint : parts.constraints) add_constraint(constraint);
}

AlterReader::Written AlterReader::try_column(AlterTableCmd* command) {
    pg::Subtransaction attempt;
    Written written;
    written.rewrites = replay(command, false).rewrites;
    for (const auto& owned :
         owned_sequences(relation().clone, castNode(ColumnDef, command->def)->colname))
        written.sequence = owned;
    return written;
}

// A clone's sequence is temporary, and can't have a name in a schema.
std::string AlterReader::take_sequence_name(ColumnDef* column) const {
    List* const names = take_name(column);
    if (names == NIL) return {};
    const RangeVar* const name = pg::call([&] { return makeRangeVarFromNameList(names); });
    if (name->schemaname != nullptr && relation().schema != name->schemaname)
        refuse(r_.source_.place(piece_.start), "ZD005", pg::sqlstate("55000"),
               "sequence must be in same schema as table it is linked to", {},
               "Leave the schema out.");
    return name->relname;
}

// Made for real, so that later statements can name it; it goes with the rehearsal.
NewSequence AlterReader::make_sequence(const OwnedSequence& written, const std::string& name,
                                       const std::string& column) const {
    const char* const table = relation().name.c_str();
    const char* const raw = column.c_str();
    const Oid schema = relation().schema_oid;
    const std::string chosen = !name.empty() ? name : pg::call([&] {
        return ChooseRelationName(table, raw, "seq", schema, false);
    });
    NewSequence sequence;
    sequence.name = pg::quote_qualified(relation().schema, chosen);
    sequence.create = std::string{"CREATE "} + (is_unlogged(relation().oid) ? "UNLOGGED " : "") +
                      "SEQUENCE " + sequence.name + " AS " + written.type +
                      (written.is_identity() ? written.options : "") + ";";
    if (relation().owner != GetUserId()) sequence.owner = relation().owner_name;
    if (written.is_identity()) sequence.identity = written.clause(sequence.name, written.options);
    run_own(sequence.create);
    if (!sequence.owner.empty())
        run_own("ALTER SEQUENCE " + sequence.name + " OWNER TO " + sequence.owner);
    return sequence;
}

void AlterReader::finish_column(const std::string& column, const ColumnParts& parts,
                                const std::string& identity) {
    if (parts.not_null) replay(command_for(AT_SetNotNull, column, nullptr));
    if (identity.empty()) return;
    const std::string alter = "ALTER COLUMN " + pg::quote_ident(column) + " ";
    alter_clone(relation(), alter + "DROP DEFAULT");
    alter_clone(relation(), alter + "ADD " + identity);
}

void Rehearsal::check_identities() const {
    for (const auto& identity : identities_)
        if (look_of_sequence(identity.sequence) != identity.look)
            refuse(identity.at, "ZD105", pg::state::kFeatureNotSupported,
                   "another statement changes " + identity.sequence +
                       ", the sequence of this identity column",
                   "It is made anew in contract, as the column says.",
                   "Say it in the options of the identity, or change the sequence in a later "
                   "migration.");
}

}  // namespace zdm::plan
