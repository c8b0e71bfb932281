// ALTER COLUMN TYPE: what the column is, what gives either type from the other, and the statement
// itself, on the clone. What hangs on the column is read as for a rename, once it has its new type
// there.
#include "plan/read_retype.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/transaction.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/hanging.hpp"
#include "plan/hanging_below.hpp"
#include "plan/read_data.hpp"
#include "plan/read_partitions.hpp"
#include "plan/replay.hpp"
#include "plan/retype_together.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "parser/analyze.h"
}

namespace zdm::plan {

namespace {

constexpr auto kIsDomain =
    "SELECT t.typtype = 'd' FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " WHERE a.attrelid = $1::oid AND a.attname = $2 AND NOT a.attisdropped";

// Whether two indexes of like columns may take different values for equal: $1 and $2.
constexpr auto kOtherOrder =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_index a CROSS JOIN pg_catalog.pg_index b"
    " CROSS JOIN pg_catalog.generate_series(0, a.indnkeyatts - 1) i"
    " JOIN pg_catalog.pg_collation c ON c.oid IN (a.indcollation[i], b.indcollation[i])"
    " WHERE a.indexrelid = $1::oid AND b.indexrelid = $2::oid"
    " AND a.indcollation[i] <> b.indcollation[i] AND NOT c.collisdeterministic)";

// $1 a child, $2 the number of its column.
constexpr auto kIsLocal =
    "SELECT attislocal FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum = $2";

constexpr auto kOwnNotNull =
    "SELECT conname, conislocal FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid"
    " AND contype = 'n' AND conkey = ARRAY[$2::int2]";

// $1 a child, $2 the name of a constraint.
constexpr auto kOwnCheck =
    "SELECT FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND conname = $2"
    " AND contype = 'c' AND conislocal AND coninhcount > 0";

// Whether an old value, as text, is the new one.
bool keeps_value(const std::string& from, const std::string& to) {
    const auto cast = cast_back(from, to, "c");
    return cast && cast->exact && !cast->partial && !from.starts_with("character(");
}

bool is_integer(const std::string& type) {
    return type == "smallint" || type == "integer" || type == "bigint";
}

}  // namespace

RetypeReader::RetypeReader(Rehearsal& rehearsal, const Statement& statement, Place at,
                           std::size_t table, const AlterTableCmd* command, const Given* down)
    : RenameReader(rehearsal, statement, at, table, command->name,
                   private_name(command->name, "new")),
      using_(castNode(ColumnDef, command->def)->raw_default),
      down_(down),
      parked_(private_name(command->name, "old")) {}

std::string RetypeReader::clone() const { return clone_name(relation()); }

void RetypeReader::on_clone(const std::string& command) const { alter_clone(relation(), command); }

RetypeColumn RetypeReader::read(const std::function<void()>& replay, Seen& seen) {
    RetypeColumn retype;
    RenameColumn& copies = retype.copies;
    for (const auto& name : {new_, parked_})
        if (describe_column(relation().oid, name))
            refuse_piece("the table has a column " + pg::quote_ident(name), {}, "Rename that.");
    retype_ = true;
    refuse_again();
    if (table().partitioned) take_partitions();
    if (table().has_children) check_children();
    check_column(copies);
    check_dependents();
    DataReader{r_, statement_}.check_fill(table_, at_);
    read_privileges(copies);
    retype.old_type = old_type_ = copies.type;
    read_default(retype);
    const Target to = target(replay);
    if (to.domain)
        refuse_piece("its new type is a domain",
                     "A row must meet it before a trigger can fill the new column.",
                     "Change it to the type under the domain, and add a CHECK.");
    const bool exact = read_rules(retype, to) && is_cast_;
    check_subscribers(to);
    retype.triggers = naming_triggers();
    prepare_indexes();
    prepare_statistics();
    prepare_publications();
    prepare_partitions(copies);

    replay();
    on_clone("RENAME COLUMN " + pg::quote_ident(old_) + " TO " + pg::quote_ident(new_));
    name_others(true);
    const ColumnFacts facts = describe_column(relation().clone, new_).value();
    copies.column = pg::quote_ident(old_);
    copies.renamed = facts.name;
    copies.definition = facts.definition;
    copies.type = facts.type;
    copies.not_null = facts.not_null;
    if (!facts.identity && copies.identity.sequence.empty())
        copies.default_text = facts.default_text;
    if (!is_integer(to.type) || !is_integer(old_type_)) retype.sequence_type.clear();
    retype.parked = pg::quote_ident(parked_);
    seen = {{{table_, LockMode::access_exclusive, LockMode::access_exclusive}}, false, false};
    read_constraints(copies, seen);
    read_indexes(copies);
    read_statistics(copies);
    read_publications(copies);
    name_others(false);
    on_clone("RENAME COLUMN " + pg::quote_ident(new_) + " TO " + pg::quote_ident(old_));
    read_old(retype);
    if (table().has_children) read_own(retype);
    if (table().is_tree()) retype.below = read_hanging_below(relation().oid, old_);

    for (std::size_t i = 0; i < copies.indexes.size(); ++i) {
        if (copies.indexes[i].constraint == "PRIMARY KEY") read_primary(retype, i);
        if (copies.indexes[i].unique) check_index(copies.indexes[i], exact);
    }
    drop_children();
    for (const auto& constraint : copies.constraints)
        if (constraint.foreign_key && !exact)
            refuse_piece("foreign key " + constraint.name +
                             " might refuse what its old type makes of new values",
                         "Only of a plain cast zdm knows that different values stay different.",
                         "Drop the foreign key before, and add it again after.");
    share_with_others(retype);
    return retype;
}

void RetypeReader::refuse_again() const {
    for (const auto& action : r_.actions()) {
        const auto* const other = std::get_if<RetypeColumn>(&action.detail);
        if (other != nullptr && action.table == table_ &&
            other->copies.column == pg::quote_ident(old_))
            refuse_piece("an earlier statement of this migration changes its type already", {},
                         "Write one statement with the type that it shall have in the end.");
    }
}

// Columns whose types the file changes before this one have their private names while copies are
// read.
void RetypeReader::name_others(bool privately) const {
    for (const auto& action : r_.actions()) {
        const auto* const other = std::get_if<RetypeColumn>(&action.detail);
        if (other == nullptr) continue;
        const RenameColumn& copies = other->copies;
        const std::string& from = privately ? copies.column : copies.renamed;
        const std::string& to = privately ? copies.renamed : copies.column;
        const Relation& owner = r_.clones_.relation(action.table);
        // A statement in between that takes it away is refused with the whole plan.
        if (owner.clone == 0 || !describe_column(owner.clone, unquoted(from))) continue;
        alter_clone(owner, "RENAME COLUMN " + from + " TO " + to);
    }
}

void RetypeReader::share_with_others(RetypeColumn& retype) const {
    std::vector<Retyped> all;
    for (auto& action : r_.actions())
        if (auto* const other = std::get_if<RetypeColumn>(&action.detail))
            all.push_back({*other, action.table});
    const Retyped own{retype, table_};
    for (const auto& other : all) share(other, own);
    all.push_back(own);
    for (const auto& one : all) leave_out_of_hanging(one, given_away(all, one.table));
}

void RetypeReader::leave_out_of_hanging(const Retyped& one, const Statements& keys) const {
    if (keys.empty()) return;
    RenameColumn& copies = one.retype.copies;
    copies.hanging =
        read_hanging(r_.clones_.relation(one.table).oid, unquoted(copies.column), keys);
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

// Default, and sequences that it owns: the identity's is made anew.
void RetypeReader::read_default(RetypeColumn& retype) const {
    const auto original = describe_column(relation().oid, old_);
    if (ask(kIsDomain, {std::int64_t{relation().oid}, old_}).front().flag(0))
        refuse_piece("its type is a domain", {}, "Change it to the type under the domain first.");
    retype.old_default = original->default_text;
    for (const auto& owned : sequences()) {
        if (!owned.is_identity()) {
            retype.copies.sequences.push_back(owned.name);
            retype.sequence_type = owned.type;
            continue;
        }
        retype.old_identity = owned.clause(owned.options);
        retype.copies.identity = {owned.name, owned.clause(owned.retyped)};
    }
}

// Subscribers find columns by name, and get values as text. Both columns are sent, under the names
// of their time, unless a publication lists the columns: one of theirs that has the name gets
// values of either type, and only a plain cast promises that they mean the same.
void RetypeReader::check_subscribers(const Target& to) const {
    const std::vector<std::string> open = open_publications();
    std::vector<std::string> names = open;
    for (const auto& row : naming_publications().rows) names.push_back(row.text(0));
    if (names.empty()) return;
    const std::string published = "the table is published by " + join(names);
    if (!is_cast_)
        refuse_piece(published + ", and USING is more than a plain cast",
                     "Subscribers get the new value as text under the same name, and theirs would "
                     "not be what USING makes of it.",
                     "Take the table out of the publication until the migration is done.");
    const std::string by_all = found_by_all();
    if (!open.empty() && !by_all.empty())
        refuse_piece(published + ", and its replica identity is FULL",
                     "A subscriber without a key finds rows by all of its columns, and the "
                     "exchange of names would leave one behind: it would pass over changes.",
                     "ALTER TABLE " + by_all +
                         " REPLICA IDENTITY DEFAULT, or USING INDEX, for the time of the "
                         "migration; or take it out of the publication until then.");
    const std::string name = pg::quote_ident(old_);
    std::string note = table().qualified + " is published by " + join(names) +
                       ": before this migration starts, subscribers need a column " + name +
                       " that takes values of both " + old_type_ + " and " + to.type +
                       ", and binary = off";
    if (!open.empty())
        note += "; those of " + join(open) + ", which sends all columns, need also " +
                pg::quote_ident(new_) + " " + to.type + " and " + pg::quote_ident(parked_) + " " +
                old_type_ +
                " there until it is done or rolled back; who lacks a column stops, and goes on "
                "without loss when it is there";
    if (!keeps_value(old_type_, to.type))
        note +=
            "; rows that are not written again keep their old value there: make the same change "
            "of type there when it is done";
    r_.note(at_, note);
}

// Whether USING says nothing else than the assignment does that stands there without it. Not every
// cast of a column does: one to a shorter type cuts where an assignment refuses.
bool RetypeReader::is_cast(Node* up, const std::string& plain) const {
    if (using_ == nullptr) return true;
    try {
        pg::Subtransaction attempt;
        Node* const without = value_of(plain, nullptr);
        return pg::call([&] { return equal(up, without); });
    } catch (const pg::Error&) {
        return false;
    }
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

// What else can be done where no way back is known.
std::string RetypeReader::other_ways() const {
    const std::string name = pg::quote_ident(old_);
    return "Write -- zdm: down " + name + " = <expression over the new " + name +
           "> on the line before the statement. Or add a column of the new type under a new name, "
           "fill it with an UPDATE, and drop the old one in a later migration.";
}

CastBack RetypeReader::known_back(const Target& to) const {
    const std::string value = pg::quote_ident(old_);
    if (const auto cast = cast_back(to.type, old_type_, value)) return *cast;
    const auto is_timestamp = [](const std::string& type) {
        return type.substr(0, 9) == "timestamp";
    };
    const std::string at = zone();
    if (!at.empty() && is_timestamp(to.type) && is_timestamp(old_type_))
        return {value + " AT TIME ZONE " + at, false, false};
    refuse_piece("zdm knows no way back from " + to.type + " to " + old_type_ +
                     " that can't fail in an application's INSERT",
                 "From the switch until contract the old column is kept for a rollback.",
                 other_ways());
}

// The analysed value of `UPDATE ... SET c = ...`, cast to the column's type; `value` instead of
// what is there.
Node* RetypeReader::value_of(const std::string& sql, Node* value) const {
    Node* const tree = parse_own(sql);
    return pg::call([&] {
        if (value != nullptr) {
            auto* const target =
                static_cast<ResTarget*>(linitial(castNode(UpdateStmt, tree)->targetList));
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

// What gives the old column, while both stand on the clone under the names of the switch.
RetypeReader::Back RetypeReader::read_back(const Expressions& reader, RetypeColumn& retype,
                                           const Target& to) const {
    if (down_ != nullptr) {
        const DownValue given = DataReader{r_, statement_}.give_back(table_, *down_, parked_);
        retype.given = given.down;
        retype.partial = !given.down.never_null;
        return {given.value, false};
    }
    const CastBack known = known_back(to);
    retype.partial = known.partial;
    const pg::PinnedPath pinned;
    Node* const value = value_of(
        "UPDATE " + clone() + " SET " + pg::quote_ident(parked_) + " = " + known.expression,
        nullptr);
    if (!is_immutable(value))
        refuse_piece("the way back, " + reader.text(value) + ", depends on settings of the session",
                     {}, other_ways());
    return {value, known.exact};
}

// Both columns stand on the clone for a moment, first under the names that they have before the
// switch, then under those after it, and the first again: each expression is analysed under the
// names of its time, and its text taken under both.
bool RetypeReader::read_rules(RetypeColumn& retype, const Target& to) {
    const std::string old = pg::quote_ident(old_);
    const std::string shadow = pg::quote_ident(new_);
    const std::string parked = pg::quote_ident(parked_);
    pg::Subtransaction attempt;
    on_clone("ADD COLUMN " + shadow + " " + to.definition);
    const Expressions reader{relation().clone, relation().name, {}};
    const std::string plain = "UPDATE " + clone() + " SET " + shadow + " = " + old;
    Node* const up = value_of(plain, using_);
    is_cast_ = is_cast(up, plain);
    check_up(reader, up);
    retype.up = reader.text(up);
    retype.reads = reader.columns(up);
    on_clone("RENAME COLUMN " + old + " TO " + parked);
    on_clone("RENAME COLUMN " + shadow + " TO " + old);
    retype.up_again = reader.text(up);
    retype.reads_again = reader.columns(up);
    const Back down = read_back(reader, retype, to);
    retype.down = reader.text(down.value);
    on_clone("RENAME COLUMN " + old + " TO " + shadow);
    on_clone("RENAME COLUMN " + parked + " TO " + old);
    retype.down_before = reader.text(down.value);
    return down.exact;
}

// Whether the new value can be computed in sessions of applications.
void RetypeReader::check_up(const Expressions& reader, Node* up) const {
    const std::string old = pg::quote_ident(old_);
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
}

void RetypeReader::check_children() {
    check_fill_of_leaves(table(), list_children(r_.clones_, table_, at_), at_);
    for (const auto& child : table().partitions)
        for (const auto& name : {new_, parked_})
            if (describe_column(child.oid, name))
                refuse_piece(
                    "child table " + child.qualified + " has a column " + pg::quote_ident(name), {},
                    "Rename that.");
}

// What a child has by itself as well as from the table above.
void RetypeReader::read_own(RetypeColumn& retype) const {
    for (std::size_t i = 0; i < table().partitions.size(); ++i) {
        const std::int64_t child{table().partitions[i].oid};
        if (ask(kIsLocal, {child, numbers_[i]}).front().flag(0)) retype.own_columns.push_back(i);
        for (auto& check : retype.copies.constraints)
            if (!check.foreign_key && !check.partition &&
                !ask(kOwnCheck, {child, unquoted(check.name)}).empty())
                check.own.push_back(i);
        if (!retype.copies.not_null_name.empty()) read_own_not_null(retype, i);
    }
}

void RetypeReader::read_own_not_null(RetypeColumn& retype, std::size_t place) const {
    const Partition& child = table().partitions[place];
    const auto found = ask(kOwnNotNull, {std::int64_t{child.oid}, numbers_[place]});
    if (found.empty()) return;
    const std::string name = pg::quote_ident(found.front().text(0));
    if (name != retype.copies.not_null_name)
        refuse_piece("its NOT NULL is constraint " + name + " in child table " + child.qualified +
                         ", and " + retype.copies.not_null_name + " in its table",
                     "The server renames both together, or none.",
                     "Give both one name: drop it in the child table, and in its table drop NOT "
                     "NULL and set it again.");
    if (found.front().flag(1)) retype.own_not_null.push_back(place);
}

// As it is now, and its parts.
void RetypeReader::read_primary(RetypeColumn& retype, std::size_t place) const {
    const CopiedIndex& index = retype.copies.indexes[place];
    const auto tail_of = [](std::uint32_t oid, const std::string& name) {
        return describe_index(find_index(oid, unquoted(name))).tail;
    };
    const std::uint32_t owner =
        index.partition ? table().partitions.at(*index.partition).oid : relation().oid;
    OldPrimary primary;
    primary.index = place;
    primary.tail = tail_of(owner, index.name);
    for (const auto& part : index.parts)
        primary.tails.push_back(tail_of(table().partitions.at(part.partition).oid, part.name));
    const auto facts =
        describe_constraint(r_.clones_, find_constraint(owner, unquoted(index.name)));
    primary.columns = facts.columns;
    primary.definition = facts.definition;
    retype.primaries.push_back(std::move(primary));
}

void RetypeReader::check_index(const CopiedIndex& index, bool exact) {
    if (index.tail.find("NULLS NOT DISTINCT") != std::string::npos)
        refuse_piece("index " + index.name + " is NULLS NOT DISTINCT",
                     "New values that don't fit the old type are NULL there.",
                     "Drop it before, and make it again after.");
    if (!exact)
        refuse_piece(
            "index " + index.name +
                " is unique, and might refuse what the old type makes of new values",
            "Only of a plain cast zdm knows that different values stay different.",
            std::string{down_ == nullptr ? "Leave USING out"
                                         : "Leave -- zdm: down out, and USING"} +
                " where the server needs none, or drop the index before and make it again after.");
    const std::string original = std::to_string(
        find_index(index.partition ? table().partitions.at(*index.partition).oid : relation().oid,
                   unquoted(index.name)));
    const std::string clone = std::to_string(
        index.partition ? find_index(leaf_oid(*index.partition),
                                     *leaf_piece(*index.partition, "index " + index.name))
                        : clone_index(unquoted(index.name)));
    if (ask(kOtherOrder, {original, clone}).front().flag(0))
        refuse_piece("index " + index.name +
                         " is unique, and changes from or to a collation that is not deterministic",
                     "What is different under one would be equal under the other.",
                     "Drop the index before, and make it again after.");
}

// What goes in the switch, as it is now.
void RetypeReader::read_old(RetypeColumn& retype) const {
    const auto& constraints = retype.copies.constraints;
    for (std::size_t i = 0; i < constraints.size(); ++i) {
        const CopiedConstraint& copy = constraints[i];
        if (copy.foreign_key && !copy.incoming) continue;
        const std::uint32_t owner = copy.partition ? table().partitions.at(*copy.partition).oid
                                                   : r_.clones_.relation(copy.table).oid;
        const auto oid = find_constraint(owner, unquoted(copy.name));
        const OldConstraint old{i, describe_constraint(r_.clones_, oid).definition};
        (copy.foreign_key ? retype.keys : retype.checks).push_back(old);
    }
}

}  // namespace zdm::plan
