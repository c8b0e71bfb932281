// What partitions have of a column of their table that gets another name or type. What came from
// the table has names of its own there, and perhaps storage; what a leaf has beside that is copied
// if it is an index, a check or a default, else refused by name. Texts over the new column are read
// from the one leaf of the clone.
#include <algorithm>
#include <map>
#include <optional>

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/transaction.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_rename.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// What hangs on the column $2 of the partition $1, not on that of the table as well, and is not
// copied.
constexpr auto kHanging =
    "SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)"
    " FROM pg_catalog.pg_depend d"
    " WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid"
    " AND d.refobjsubid = $2"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef f WHERE f.oid = d.objid"
    "  AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.adrelid = $1::oid"
    "  AND f.adnum = $2)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid"
    "  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0"
    "  AND c.relkind IN ('i', 'I'))"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid"
    "  AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"
    "  AND (k.conparentid <> 0 OR k.contype <> 'f'))"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.oid = d.objid"
    "  AND d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND g.tgparentid <> 0)"
    " UNION SELECT 'the comment on ' || pg_catalog.pg_describe_object("
    "  'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, 0)"
    " FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1::oid AND k.contype = 'c'"
    " AND k.coninhcount > 0 AND $2::int2 = ANY (k.conkey)"
    " AND pg_catalog.obj_description(k.oid, 'pg_constraint') IS NOT NULL ORDER BY 1 LIMIT 5";

// The parts of a foreign key. Those about partitions of the table that it refers to are none.
constexpr auto kForeignKeyParts =
    "WITH RECURSIVE tree(oid, conrelid) AS (SELECT oid, conrelid FROM pg_catalog.pg_constraint"
    "  WHERE oid = $1::oid UNION ALL SELECT k.oid, k.conrelid FROM tree t"
    "  JOIN pg_catalog.pg_constraint k ON k.conparentid = t.oid AND k.conrelid <> t.conrelid)"
    " SELECT k.conrelid, pg_catalog.quote_ident(k.conname),"
    " pg_catalog.obj_description(k.oid, 'pg_constraint') FROM tree t"
    " JOIN pg_catalog.pg_constraint k ON k.oid = t.oid AND k.oid <> $1::oid";

std::string temporary_name(std::uint32_t clone) {
    const auto named =
        ask("SELECT pg_catalog.quote_ident(relname) FROM pg_catalog.pg_class WHERE oid = $1::oid",
            {std::int64_t{clone}});
    return "pg_temp." + named.front().text(0);
}

}  // namespace

std::uint32_t RenameReader::leaf_oid(std::size_t place) {
    if (table().partitioned) return relation().leaf_clone;
    const auto [child, fresh] = children_.try_emplace(place, 0);
    if (fresh) child->second = r_.clones_.make_child(table_, table().partitions.at(place).oid);
    return child->second;
}

std::string RenameReader::called() const {
    return table().partitioned ? "partition " : "child table ";
}

std::string RenameReader::leaf_clone(std::size_t place) { return temporary_name(leaf_oid(place)); }

void RenameReader::drop_children() {
    for (const auto& [place, child] : children_) run_own("DROP TABLE " + temporary_name(child));
    children_.clear();
}

bool RenameReader::has_below(std::size_t place) const {
    const auto& all = table().partitions;
    return std::any_of(all.begin(), all.end(),
                       [&](const Partition& other) { return other.parent == place; });
}

// A name there for a piece of a partition.
std::string RenameReader::on_leaf(std::size_t partition, const std::string& piece) {
    const std::string name = "zdm_own_" + std::to_string(leaf_oid(partition)) + "_" +
                             std::to_string(number_) + "_" + std::to_string(own_.size());
    own_.push_back({partition, piece, name});
    return name;
}

// Null: the piece is as the table's.
const std::string* RenameReader::leaf_piece(std::size_t partition, const std::string& piece) const {
    for (const auto& own : own_)
        if (own.partition == partition && own.piece == piece) return &own.name;
    return nullptr;
}

void RenameReader::prepare_partitions(RenameColumn& rename) {
    const auto whole = describe_column(relation().oid, old_);
    for (std::size_t i = 0; i < table().partitions.size(); ++i)
        prepare_partition(rename, i, whole.value());
}

void RenameReader::prepare_partition(RenameColumn& rename, std::size_t place,
                                     const ColumnFacts& whole) {
    const Partition& own = table().partitions[place];
    const pg::Result found = column_of(own.oid);
    const pg::Row& column = found.front();
    const std::int64_t number = column.number(0);
    numbers_.push_back(number);
    refuse_in_row(column, own.qualified);
    check_in_partition(place, number);
    PartitionColumn differs{place, dress_of(column, own.qualified)};
    for (const auto& grant : privileges_of(own.oid, number, own.qualified))
        differs.dress.push_back(grant);
    const auto here = describe_column(own.oid, old_);
    if (retype_ && here->not_null != whole.not_null)
        refuse_piece("it is " + std::string{here->not_null ? "" : "not "} + "NOT NULL in " +
                         called() + own.qualified + ", otherwise than in its table",
                     {},
                     "ALTER TABLE " + own.qualified + " ALTER COLUMN " + here->name +
                         (here->not_null ? " DROP NOT NULL before, and set it again after."
                                         : " SET NOT NULL before, and drop it again after."));
    if (here->default_text != whole.default_text)
        refuse_piece("its default in " + called() + own.qualified + " is not that of its table",
                     "From a default the trigger tells that an application left the column out, "
                     "and a row gets that of the table through which it comes.",
                     "Give it the default of its table before, and its own again after.");
    if (!differs.dress.empty()) rename.partitions.push_back(std::move(differs));
    prepare_parts(place, number);
    if (retype_) prepare_checks(place, number);
}

// What hangs on it there alone: a rename takes all of that along but what a trigger says.
void RenameReader::check_in_partition(std::size_t place, std::int64_t number) const {
    const Partition& own = table().partitions[place];
    std::vector<std::string> names;
    if (retype_)
        for (const auto& row : ask(kHanging, {std::int64_t{own.oid}, number}).rows)
            names.push_back(row.text(0));
    if (!names.empty())
        refuse(at_, "ZD110", pg::sqlstate("2BP01"),
               "other objects depend on column " + pg::quote_ident(old_) + " of " + called() +
                   own.qualified,
               join(names, "; ") + ".",
               "Drop them before, and make them again when the migration is done.");
    for (const auto& row : triggers_on(own.oid, number).rows)
        if (!row.flag(11)) check_trigger_of(own, row);
}

// One that the partition, or child, has by itself.
void RenameReader::check_trigger_of(const Partition& own, const pg::Row& row) const {
    const std::string what = "trigger " + row.text(0) + " of " + own.qualified;
    if (row.flag(7) || row.flag(10))
        refuse_piece(what + " names it in its function or arguments",
                     "Without the column it would break every write.",
                     "Drop the trigger before, and make it again after.");
    if (row.flag(5) || (row.flag(6) && row.flag(4)))
        refuse_piece(what + " names it in UPDATE OF or WHEN",
                     "It would not fire for an application that knows the other column only.",
                     "Drop the trigger before, and make it again after.");
}

// Each partition asks for those of its table.
const std::string& RenameReader::tail_of_whole(std::uint32_t index) {
    const auto known = tails_.find(index);
    if (known != tails_.end()) return known->second;
    return tails_[index] = describe_index(index).tail;
}

// Indexes of a leaf that are no part of one of the table, or are stored or sorted otherwise.
void RenameReader::prepare_parts(std::size_t place, std::int64_t number) {
    const Partition& own = table().partitions[place];
    for (const auto& row : indexes_on(own.oid, number).rows) {
        const std::string name = pg::quote_ident(row.text(0));
        const bool alone = row.is_null(15);
        if (retype_ && alone && !row.is_null(6)) check_key_of_leaf(row, own);
        if (alone) check_index(row);
        const IndexFacts facts = describe_index(static_cast<std::uint32_t>(row.number(10)));
        if (!alone && facts.tail == tail_of_whole(static_cast<std::uint32_t>(row.number(15))))
            continue;
        if (!own.leaf)
            refuse_piece("index " + name + " of " + own.qualified +
                             ", which is partitioned itself, is not like one of its table",
                         "That is not supported yet.", "Drop it before, and make it again after.");
        copy_to_leaf(place, name, row.flag(16), facts.tail);
    }
}

// Its copy is a unique index until the switch.
void RenameReader::check_key_of_leaf(const pg::Row& row, const Partition& own) const {
    if (row.text(6) != "x" && row.flag(16)) return;
    refuse_piece("constraint " + pg::quote_ident(row.text(0)) + ", which " + own.qualified +
                     " alone has, " +
                     (row.flag(7) ? "is DEFERRABLE" : "is not enforced by a unique index alone"),
                 "That is not supported yet.", "Drop it before, and add it again after.");
}

// It may also be over columns that the clone lacks, where the file renamed or dropped them before.
void RenameReader::copy_to_leaf(std::size_t place, const std::string& index, bool unique,
                                const std::string& tail) {
    const PinnedText pinned;
    const std::string sql = std::string{"CREATE "} + (unique ? "UNIQUE " : "") + "INDEX " +
                            on_leaf(place, "index " + index) + " ON " + leaf_clone(place) + " " +
                            tail;
    try {
        pg::Subtransaction attempt;
        run_own(sql);
        attempt.commit();
    } catch (const pg::Error& error) {
        if (error.sqlstate != pg::state::kUndefinedColumn) throw;
        refuse_piece("index " + index + " of " + table().partitions[place].qualified +
                         " is also over a column that an earlier statement renames or drops",
                     "Its copy could be over neither of the names.",
                     "Write them as two migrations.");
    }
}

void RenameReader::prepare_checks(std::size_t place, std::int64_t number) {
    const Partition& own = table().partitions[place];
    for (const auto& row : constraints_on(own.oid, number).rows) {
        if (row.text(1) != "c" || row.number(14) > 0) continue;
        const std::string name = pg::quote_ident(row.text(0));
        const std::string what =
            "constraint " + name + ", which " + called() + own.qualified + " alone has,";
        if (row.flag(7))
            refuse_piece(what + " reads the row as a whole",
                         "A row has both columns until contract.", "Let it name its columns.");
        const bool spreads = !own.leaf || (has_below(place) && !row.flag(11));
        if (spreads || row.text(6) == "false")
            refuse_piece(what + (spreads ? " holds in what is below it too" : " is NOT ENFORCED"),
                         "That is not supported yet.", "Drop it before, and add it again after.");
        const auto facts =
            describe_constraint(r_.clones_, static_cast<std::uint32_t>(row.number(13)));
        const std::string sql = "ALTER TABLE " + leaf_clone(place) + " ADD CONSTRAINT " +
                                on_leaf(place, "check " + name) + " " + facts.definition;
        const PinnedText pinned;
        std::optional<pg::AsUser> owner;
        if (relation().given) owner.emplace(relation().owner, SECURITY_RESTRICTED_OPERATION);
        run_own(sql);
    }
}

void RenameReader::read_checks(RenameColumn& rename) {
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
        const Partition& own = table().partitions[i];
        for (const auto& row : constraints_on(own.oid, numbers_[i]).rows) {
            const std::string name = pg::quote_ident(row.text(0));
            const std::string* const piece = leaf_piece(i, "check " + name);
            if (piece == nullptr) continue;
            CopiedConstraint copy;
            copy.table = table_;
            copy.partition = i;
            copy.name = name;
            copy.definition =
                describe_constraint(r_.clones_, find_constraint(leaf_oid(i), *piece)).definition;
            copy.valid = row.flag(10);
            if (!row.is_null(12))
                copy.after.push_back("COMMENT ON CONSTRAINT " + name + " ON " + own.qualified +
                                     " IS " + pg::quote_literal(row.text(12)) + ";");
            rename.constraints.push_back(std::move(copy));
        }
    }
}

void RenameReader::read_parts(RenameColumn& rename) {
    std::map<std::int64_t, std::size_t> places;
    for (const auto& row : indexes_on(relation().oid, number_).rows) {
        const std::size_t place = places.size();
        places[row.number(10)] = place;
    }
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
        const Partition& own = table().partitions[i];
        for (const auto& row : indexes_on(own.oid, numbers_[i]).rows) {
            CopiedPart part;
            part.partition = i;
            part.name = pg::quote_ident(row.text(0));
            part.schema = row.text(11);
            part.after = belongings(row, own.qualified);
            part.replica_identity = row.flag(3);
            const std::string* const piece = leaf_piece(i, "index " + part.name);
            if (piece != nullptr) part.tail = describe_index(find_index(leaf_oid(i), *piece)).tail;
            if (!row.is_null(15))
                rename.indexes.at(places.at(row.number(15))).parts.push_back(std::move(part));
            else if (piece != nullptr)
                rename.indexes.push_back(index_of_leaf(part, row));
        }
    }
}

CopiedIndex RenameReader::index_of_leaf(const CopiedPart& part, const pg::Row& row) const {
    CopiedIndex copy;
    copy.name = part.name;
    copy.schema = part.schema;
    copy.unique = row.flag(16);
    copy.tail = part.tail;
    copy.after = part.after;
    copy.replica_identity = part.replica_identity;
    copy.partition = part.partition;
    if (retype_ && !row.is_null(6)) copy.constraint = row.text(6) == "p" ? "PRIMARY KEY" : "UNIQUE";
    return copy;
}

void RenameReader::read_foreign_key_parts(CopiedConstraint& copy, const pg::Row& row) const {
    if (!row.flag(10))
        refuse_piece(
            "foreign key " + copy.name + " is NOT VALID, and its table is partitioned", {},
            "ALTER TABLE " + table().qualified + " VALIDATE CONSTRAINT " + copy.name + "; first.");
    const auto parts = ask(kForeignKeyParts, {row.number(13)});
    for (std::size_t i = 0; i < table().partitions.size(); ++i) {
        const Partition& own = table().partitions[i];
        for (const auto& found : parts.rows) {
            if (static_cast<std::uint32_t>(found.number(0)) != own.oid) continue;
            CopiedPart part;
            part.partition = i;
            part.name = found.text(1);
            if (!found.is_null(2))
                part.after.push_back("COMMENT ON CONSTRAINT " + part.name + " ON " + own.qualified +
                                     " IS " + pg::quote_literal(found.text(2)) + ";");
            copy.parts.push_back(std::move(part));
        }
    }
}

}  // namespace zdm::plan
