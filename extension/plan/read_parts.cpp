// What partitions have of a column of their table that gets another name or type. What came from
// the table has names of its own there, and perhaps storage; what a leaf has beside that is copied
// if it is an index, a check or a default, else refused by name. Texts over the new column are read
// from the one leaf of the clone.
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

// Whether an index $1 is over a column that the table $2 has not.
constexpr auto kOwnColumn =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a"
    "  ON a.attrelid = i.indrelid WHERE i.indexrelid = $1::oid"
    "  AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (SELECT FROM pg_catalog.pg_depend d"
    "   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid"
    "   AND d.refclassid = d.classid AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))"
    "  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute o WHERE o.attrelid = $2::oid"
    "   AND o.attname = a.attname AND NOT o.attisdropped))";

}  // namespace

std::uint32_t RenameReader::leaf_oid() const {
    return table().partitioned ? relation().leaf_clone : relation().clone;
}

std::string RenameReader::leaf_clone() const {
    return "pg_temp." + ask("SELECT pg_catalog.quote_ident(relname) FROM pg_catalog.pg_class"
                            " WHERE oid = $1::oid",
                            {std::int64_t{leaf_oid()}})
                            .front()
                            .text(0);
}

// A name there for a piece of a partition.
std::string RenameReader::on_leaf(std::size_t partition, const std::string& piece) {
    const std::string name = "zdm_own_" + std::to_string(leaf_oid()) + "_" +
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
    if (retype_ && here->not_null && !whole.not_null)
        refuse_piece("it is NOT NULL in partition " + own.qualified + ", and not in its table", {},
                     "ALTER TABLE " + own.qualified + " ALTER COLUMN " + here->name +
                         " DROP NOT NULL before, and set it again after.");
    if (here->default_text != whole.default_text)
        refuse_piece("its default in partition " + own.qualified + " is not that of its table",
                     "From a default the trigger tells that an application left the column out, "
                     "and a row gets that of the table through which it comes.",
                     "Give the partition the default of its table before, and its own again "
                     "after.");
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
               "other objects depend on column " + pg::quote_ident(old_) + " of partition " +
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
        if (retype_ && alone && !row.is_null(6))
            refuse_piece("constraint " + name + " belongs to partition " + own.qualified + " alone",
                         "That is not supported yet.", "Drop it before, and add it again after.");
        if (alone) check_index(row);
        const IndexFacts facts = describe_index(static_cast<std::uint32_t>(row.number(10)));
        if (!alone && facts.tail == tail_of_whole(static_cast<std::uint32_t>(row.number(15))))
            continue;
        if (!own.leaf)
            refuse_piece("index " + name + " of " + own.qualified +
                             ", which is partitioned itself, is not like one of its table",
                         "That is not supported yet.", "Drop it before, and make it again after.");
        if (!copy_to_leaf(place, name, static_cast<std::uint32_t>(row.number(10)), row.flag(16),
                          facts.tail))
            r_.note(at_, "index " + name + " of " + own.qualified +
                             " has columns that its table above does not have, and no copy until "
                             "contract: queries of the new version can't use it");
    }
}

// A child may have columns of its own; others the clone lacks where the file renamed or dropped
// them before.
bool RenameReader::copy_to_leaf(std::size_t place, const std::string& index, std::uint32_t oid,
                                bool unique, const std::string& tail) {
    const PinnedText pinned;
    const std::string sql = std::string{"CREATE "} + (unique ? "UNIQUE " : "") + "INDEX ";
    try {
        pg::Subtransaction attempt;
        run_own(sql + "ON " + leaf_clone() + " " + tail);
    } catch (const pg::Error& error) {
        if (ask(kOwnColumn, {std::int64_t{oid}, std::int64_t{relation().oid}}).front().flag(0))
            return false;
        if (error.sqlstate != pg::state::kUndefinedColumn) throw;
        refuse_piece("index " + index + " of " + table().partitions[place].qualified +
                         " is also over a column that an earlier statement renames or drops",
                     "Its copy could be over neither of the names.",
                     "Write them as two migrations.");
    }
    run_own(sql + on_leaf(place, "index " + index) + " ON " + leaf_clone() + " " + tail);
    return true;
}

void RenameReader::prepare_checks(std::size_t place, std::int64_t number) {
    const Partition& own = table().partitions[place];
    for (const auto& row : constraints_on(own.oid, number).rows) {
        if (row.text(1) != "c" || row.number(14) > 0) continue;
        const std::string name = pg::quote_ident(row.text(0));
        const std::string what =
            "constraint " + name + ", which partition " + own.qualified + " alone has,";
        if (row.flag(7))
            refuse_piece(what + " reads the row as a whole",
                         "A row has both columns until contract.", "Let it name its columns.");
        if (!own.leaf || row.text(6) == "false")
            refuse_piece(what + (own.leaf ? " is NOT ENFORCED" : " holds in its partitions too"),
                         "That is not supported yet.", "Drop it before, and add it again after.");
        const auto facts =
            describe_constraint(r_.clones_, static_cast<std::uint32_t>(row.number(13)));
        const std::string sql = "ALTER TABLE " + leaf_clone() + " ADD CONSTRAINT " +
                                on_leaf(place, "check " + name) + " " + facts.definition;
        const PinnedText pinned;
        std::optional<pg::AsUser> owner;
        if (relation().given) owner.emplace(relation().owner, SECURITY_RESTRICTED_OPERATION);
        run_own(sql);
    }
}

void RenameReader::read_checks(RenameColumn& rename) const {
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
                describe_constraint(r_.clones_, find_constraint(leaf_oid(), *piece)).definition;
            copy.valid = row.flag(10);
            if (!row.is_null(12))
                copy.after.push_back("COMMENT ON CONSTRAINT " + name + " ON " + own.qualified +
                                     " IS " + pg::quote_literal(row.text(12)) + ";");
            rename.constraints.push_back(std::move(copy));
        }
    }
}

void RenameReader::read_parts(RenameColumn& rename) const {
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
            if (piece != nullptr) part.tail = describe_index(find_index(leaf_oid(), *piece)).tail;
            if (!row.is_null(15))
                rename.indexes.at(places.at(row.number(15))).parts.push_back(std::move(part));
            else if (piece != nullptr)
                rename.indexes.push_back(index_of_leaf(part, row));
        }
    }
}

CopiedIndex RenameReader::index_of_leaf(const CopiedPart& part, const pg::Row& row) {
    CopiedIndex copy;
    copy.name = part.name;
    copy.schema = part.schema;
    copy.unique = row.flag(16);
    copy.tail = part.tail;
    copy.after = part.after;
    copy.replica_identity = part.replica_identity;
    copy.partition = part.partition;
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
