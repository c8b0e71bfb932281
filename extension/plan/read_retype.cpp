// ALTER COLUMN TYPE: what the column is, what gives either type from the other, and the statement
// itself, on the clone. What hangs on the column is read as for a rename, once it has its new type
// there.
#include "plan/read_retype.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/transaction.hpp"
#include "plan/ask.hpp"
#include "plan/cast_back.hpp"
#include "plan/describe.hpp"
#include "plan/expression.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "parser/analyze.h"
}

namespace zdm::plan {

namespace {

// A private name as in the catalog: at most 63 bytes.
std::string private_column(const std::string& column, const std::string& purpose) {
    const std::string name = "zdm_" + column + "_" + purpose;
    if (name.size() <= 63) return name;
    return "zdm_" + std::to_string(std::hash<std::string>{}(column)) + "_" + purpose;
}

constexpr auto kIsDomain =
    "SELECT t.typtype = 'd' FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " WHERE a.attrelid = $1::oid AND a.attname = $2 AND NOT a.attisdropped";

constexpr auto kPublished =
    "SELECT pg_catalog.quote_ident(p.pubname) FROM pg_catalog.pg_publication p"
    " WHERE p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r"
    "  WHERE r.prpubid = p.oid AND r.prrelid = $1::oid)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n JOIN pg_catalog.pg_class c"
    "  ON c.relnamespace = n.pnnspid WHERE n.pnpubid = p.oid AND c.oid = $1::oid)"
    " ORDER BY 1";

constexpr auto kDown =
    "Add a column of the new type under a new name, fill it with an UPDATE, and drop the old one "
    "in a later migration.";

}  // namespace

RetypeReader::RetypeReader(Rehearsal& rehearsal, const Statement& statement, Place at,
                           std::size_t table, const AlterTableCmd* command)
    : RenameReader(rehearsal, statement, at, table, command->name,
                   private_column(command->name, "new")),
      using_(castNode(ColumnDef, command->def)->raw_default),
      parked_(private_column(command->name, "old")) {}

std::string RetypeReader::clone() const {
    return "pg_temp." + pg::quote_ident(relation().clone_name);
}

void RetypeReader::on_clone(const std::string& command) const {
    const std::string sql = "ALTER TABLE " + clone() + " " + command;
    run_utility(parse_own(sql), sql);
}

RetypeColumn RetypeReader::read(const std::function<void()>& replay, Seen& seen) {
    RetypeColumn retype;
    RenameColumn& copies = retype.copies;
    for (const auto& name : {new_, parked_})
        if (describe_column(relation().oid, name))
            refuse_piece("the table has a column " + pg::quote_ident(name), {}, "Rename that.");
    retype_ = true;
    check_column(copies);
    check_dependents();
    check_published();
    read_privileges(copies);
    retype.old_type = old_type_ = copies.type;
    check_default(retype);
    const Target to = target(replay);
    if (to.domain)
        refuse_piece("its new type is a domain",
                     "A row must meet it before a trigger can fill the new column.",
                     "Change it to the type under the domain, and add a CHECK.");
    read_rules(retype, to);
    retype.triggers = naming_triggers();
    prepare_indexes();
    prepare_statistics();

    replay();
    on_clone("RENAME COLUMN " + pg::quote_ident(old_) + " TO " + pg::quote_ident(new_));
    const ColumnFacts facts = describe_column(relation().clone, new_).value();
    copies.column = pg::quote_ident(old_);
    copies.renamed = facts.name;
    copies.definition = facts.definition;
    copies.type = facts.type;
    copies.not_null = facts.not_null;
    copies.default_text = facts.default_text;
    retype.parked = pg::quote_ident(parked_);
    seen = {{{table_, LockMode::access_exclusive}}, false, false};
    read_constraints(copies, seen);
    read_indexes(copies);
    read_statistics(copies);
    on_clone("RENAME COLUMN " + pg::quote_ident(new_) + " TO " + pg::quote_ident(old_));
    read_checks(retype);

    bool exact = false;
    bool partial = false;
    back(to, exact, partial);
    for (const auto& index : copies.indexes) check_index(index, exact && is_cast());
    for (const auto& constraint : copies.constraints) {
        if (constraint.incoming)
            refuse_piece("foreign key " + constraint.name + " of " +
                             r_.clones_.table(constraint.table).qualified + " refers to it",
                         "zdm does not change referenced columns yet.",
                         "Drop the foreign key before, and add it again after.");
        if (constraint.foreign_key && !(exact && is_cast()))
            refuse_piece("foreign key " + constraint.name +
                             " might refuse what its old type makes of new values",
                         {}, "Drop the foreign key before, and add it again after.");
    }
    return retype;
}

// What the statement makes of the column; the clone stays as it was.
RetypeReader::Target RetypeReader::target(const std::function<void()>& replay) const {
    pg::Subtransaction attempt;
    replay();
    const ColumnFacts facts = describe_column(relation().clone, old_).value();
    Target to{facts.definition, facts.type, false};
    to.domain = ask(kIsDomain, {std::int64_t{relation().clone}, old_}).front().flag(0);
    return to;
}

void RetypeReader::check_default(RetypeColumn& retype) const {
    const auto original = describe_column(relation().oid, old_);
    if (original->identity)
        refuse_piece("it is an identity column", "zdm does not change the type of such columns yet.",
                     "Run it directly in a maintenance window.");
    retype.old_default = original->default_text;
    if (!original->default_text.empty()) {
        RenameColumn owned;
        read_sequences(owned);
        if (!owned.sequences.empty())
            refuse_piece("it owns sequence " + owned.sequences.front(),
                         "zdm does not change the type of serial columns yet.",
                         "Run it directly in a maintenance window.");
    }
    if (ask(kIsDomain, {std::int64_t{relation().oid}, old_}).front().flag(0))
        refuse_piece("its type is a domain", {}, "Change it to the type under the domain first.");
}

// Subscribers find columns by name, and these change twice.
void RetypeReader::check_published() const {
    std::vector<std::string> names;
    for (const auto& row : ask(kPublished, {std::int64_t{relation().oid}}).rows)
        names.push_back(row.text(0));
    if (!names.empty())
        refuse_piece("the table is published by " + join(names),
                     "Subscribers would stop at columns that they don't have.",
                     "Take the table out of the publication until the migration is done.");
}

// USING is nothing but a cast of the column, so that different values stay different.
bool RetypeReader::is_cast() const {
    Node* node = using_;
    while (node != nullptr && IsA(node, TypeCast)) node = castNode(TypeCast, node)->arg;
    return node == nullptr || IsA(node, ColumnRef);
}

// Of `USING c AT TIME ZONE 'zone'`, as a literal; else empty.
std::string RetypeReader::zone() const {
    if (using_ == nullptr || !IsA(using_, FuncCall)) return {};
    const auto* const call = castNode(FuncCall, using_);
    if (std::string_view{strVal(llast(call->funcname))} != "timezone" ||
        list_length(call->args) != 2 || !IsA(linitial(call->args), A_Const) ||
        !IsA(lsecond(call->args), ColumnRef))
        return {};
    const auto* const constant = castNode(A_Const, linitial(call->args));
    if (constant->isnull || !IsA(&constant->val, String)) return {};
    return pg::quote_literal(constant->val.sval.sval);
}

std::string RetypeReader::back(const Target& to, bool& exact, bool& partial) const {
    const std::string value = pg::quote_ident(new_);
    if (const auto cast = cast_back(to.type, old_type_, value)) {
        exact = cast->exact;
        partial = cast->partial;
        return cast->expression;
    }
    const auto is_timestamp = [](const std::string& type) {
        return type.substr(0, 9) == "timestamp";
    };
    const std::string at = zone();
    if (!at.empty() && is_timestamp(to.type) && is_timestamp(old_type_))
        return value + " AT TIME ZONE " + at;
    refuse_piece("zdm knows no way back from " + to.type + " to " + old_type_ +
                     " that can't fail in an application's INSERT",
                 "From the switch until contract the old column is kept for a rollback.", kDown);
}

// The analysed value of `UPDATE ... SET c = ...`, cast to the column's type; `value` instead of
// what is there.
Node* RetypeReader::value_of(const std::string& sql, Node* value) const {
    Node* const tree = parse_own(sql);
    return pg::call([&] {
        if (value != nullptr) {
            auto* const target = static_cast<ResTarget*>(
                linitial(castNode(UpdateStmt, tree)->targetList));
            target->val = static_cast<Node*>(copyObjectImpl(value));
        }
        RawStmt* const raw = makeNode(RawStmt);
        raw->stmt = tree;
        Query* const query =
            parse_analyze_fixedparams(raw, r_.source_.text().c_str(), nullptr, 0, nullptr);
        return reinterpret_cast<Node*>(
            static_cast<TargetEntry*>(linitial(query->targetList))->expr);
    });
}

// Both columns stand on the clone for a moment, first under the names that they have before the
// switch, then under those after it.
void RetypeReader::read_rules(RetypeColumn& retype, const Target& to) const {
    const std::string old = pg::quote_ident(old_);
    const std::string shadow = pg::quote_ident(new_);
    const std::string update = "UPDATE " + clone() + " SET ";
    pg::Subtransaction attempt;
    on_clone("ADD COLUMN " + shadow + " " + to.definition);
    const Expressions reader{relation().clone, relation().name, {}};
    Node* const up = value_of(update + shadow + " = " + old, using_);
    if (!is_immutable(up))
        refuse(at_, "ZD108", pg::state::kFeatureNotSupported,
               "the new value of " + old + " depends on settings of the session",
               "Until the switch it is kept in step with the old one, in sessions of applications.",
               "Write the immutable form, e.g. USING " + old + " AT TIME ZONE 'UTC'.");
    const std::string hidden = reader.not_public(up);
    if (!hidden.empty())
        refuse(at_, "ZD109", pg::state::kInsufficientPrivilege,
               hidden + " may not be executed by every role",
               "It gives rows of applications their value.", "GRANT EXECUTE ON it TO PUBLIC.");
    bool exact = false;
    const std::string way_back = back(to, exact, retype.partial);
    Node* const down = [&] {
        const pg::PinnedPath pinned;
        return value_of(update + old + " = " + way_back, nullptr);
    }();
    if (!is_immutable(down))
        refuse_piece("the way back, " + reader.text(down) +
                         ", depends on settings of the session",
                     {}, kDown);
    retype.up = reader.text(up);
    retype.down_before = reader.text(down);
    retype.reads = reader.columns(up);
    on_clone("RENAME COLUMN " + old + " TO " + pg::quote_ident(parked_));
    on_clone("RENAME COLUMN " + shadow + " TO " + old);
    retype.up_again = reader.text(up);
    retype.down = reader.text(down);
    retype.reads_again = reader.columns(up);
}

void RetypeReader::check_index(const CopiedIndex& index, bool exact) const {
    if (index.constraint == "PRIMARY KEY")
        refuse_piece("it is in the primary key", "zdm does not change the type of such columns yet.",
                     "Run it directly in a maintenance window.");
    if (!index.unique) return;
    if (index.tail.find("NULLS NOT DISTINCT") != std::string::npos)
        refuse_piece("index " + index.name + " is NULLS NOT DISTINCT",
                     "New values that don't fit the old type are NULL there.",
                     "Drop it before, and make it again after.");
    if (!exact)
        refuse_piece("index " + index.name +
                         " is unique, and might refuse what the old type makes of new values",
                     "Only of a plain cast zdm knows that different values stay different.",
                     "Let USING be a cast of the column alone, or drop the index before and make it "
                     "again after.");
}

void RetypeReader::read_checks(RetypeColumn& retype) const {
    const auto& constraints = retype.copies.constraints;
    for (std::size_t i = 0; i < constraints.size(); ++i) {
        if (constraints[i].foreign_key) continue;
        const auto oid = find_constraint(relation().oid, unquoted(constraints[i].name));
        retype.checks.push_back({i, describe_constraint(r_.clones_, oid).definition});
    }
}

}  // namespace zdm::plan
