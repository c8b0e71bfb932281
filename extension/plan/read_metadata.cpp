// Forms of ALTER TABLE that only change the catalog: run as written, and how each is taken back.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_alter.hpp"
#include "plan/text.hpp"

#include "pg/postgres.hpp"

namespace zdm::plan {

namespace {

std::string text_of(const char* sql, const std::vector<pg::Value>& parameters) {
    const auto found = ask(sql, parameters);
    return found.empty() ? std::string{} : found.front().text(0);
}

// SET (...) and RESET (...) that give the named options back their values; `before` has one row
// "name=value" for each option that is set.
std::string restore_options(const std::string& target, List* named, const pg::Result& before) {
    std::vector<std::string> set;
    std::vector<std::string> reset;
    for (int i = 0; i < list_length(named); ++i) {
        const auto* const option = static_cast<DefElem*>(list_nth(named, i));
        std::string key = pg::quote_ident(option->defname);
        if (option->defnamespace != nullptr)
            key = pg::quote_ident(option->defnamespace) + "." + key;
        bool known = false;
        for (const auto& row : before.rows) {
            if (row.text(0) != option->defname || option->defnamespace != nullptr) continue;
            set.push_back(key + " = " + pg::quote_literal(row.text(1)));
            known = true;
        }
        if (!known) reset.push_back(key);
    }
    std::string undo;
    if (!set.empty()) undo += target + "SET (" + join(set) + ");";
    if (!reset.empty()) undo += (undo.empty() ? "" : " ") + target + "RESET (" + join(reset) + ");";
    return undo;
}

constexpr auto kTableOptions =
    "SELECT o.option_name, o.option_value FROM pg_catalog.pg_class c,"
    " pg_catalog.pg_options_to_table(c.reloptions) o WHERE c.oid = $1::oid";
constexpr auto kColumnOptions =
    "SELECT o.option_name, o.option_value FROM pg_catalog.pg_attribute a,"
    " pg_catalog.pg_options_to_table(a.attoptions) o WHERE a.attrelid = $1::oid AND a.attname = $2";
constexpr auto kStatistics =
    "SELECT coalesce(attstattarget, -1) FROM pg_catalog.pg_attribute"
    " WHERE attrelid = $1::oid AND attname = $2";
constexpr auto kStorage =
    "SELECT CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN'"
    " ELSE 'EXTENDED' END FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attname = $2";
constexpr auto kCompression =
    "SELECT CASE attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'DEFAULT' END"
    " FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attname = $2";
constexpr auto kCluster =
    "SELECT 'CLUSTER ON ' || pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = $1::oid AND i.indisclustered";
constexpr auto kIdentity =
    "SELECT 'REPLICA IDENTITY ' || CASE c.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'"
    " WHEN 'i' THEN 'USING INDEX ' || (SELECT pg_catalog.quote_ident(k.relname)"
    "  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class k ON k.oid = i.indexrelid"
    "  WHERE i.indrelid = c.oid AND i.indisreplident) ELSE 'DEFAULT' END"
    " FROM pg_catalog.pg_class c WHERE c.oid = $1::oid";
constexpr auto kSecurity =
    "SELECT CASE WHEN relrowsecurity THEN 'ENABLE' ELSE 'DISABLE' END || ' ROW LEVEL SECURITY'"
    " FROM pg_catalog.pg_class WHERE oid = $1::oid";
constexpr auto kForced =
    "SELECT CASE WHEN relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END || ' ROW LEVEL SECURITY'"
    " FROM pg_catalog.pg_class WHERE oid = $1::oid";

}  // namespace

std::string AlterReader::undo_of(const AlterTableCmd* command) const {
    const std::string target = "ALTER TABLE " + table().qualified + " ";
    const std::string name = command->name == nullptr ? "" : command->name;
    const std::string column = target + "ALTER COLUMN " + pg::quote_ident(name) + " ";
    const std::vector<pg::Value> relation_only = {std::int64_t{relation().oid}};
    const std::vector<pg::Value> with_name = {std::int64_t{relation().oid}, name};
    const auto back = [](const std::string& head, const std::string& old) {
        return old.empty() ? std::string{} : head + old + ";";
    };
    switch (command->subtype) {
    case AT_SetRelOptions:
    case AT_ResetRelOptions:
        return restore_options(target, castNode(List, command->def),
                               ask(kTableOptions, relation_only));
    case AT_SetOptions:
    case AT_ResetOptions:
        return restore_options(column, castNode(List, command->def),
                               ask(kColumnOptions, with_name));
    case AT_SetStatistics:
        if (name.empty()) return {};
        return back(column + "SET STATISTICS ", text_of(kStatistics, with_name));
    case AT_SetStorage: return back(column + "SET STORAGE ", text_of(kStorage, with_name));
    case AT_SetCompression:
        return back(column + "SET COMPRESSION ", text_of(kCompression, with_name));
    case AT_ClusterOn:
    case AT_DropCluster: {
        const std::string old = text_of(kCluster, relation_only);
        return target + (old.empty() ? "SET WITHOUT CLUSTER" : old) + ";";
    }
    case AT_ReplicaIdentity: return back(target, text_of(kIdentity, relation_only));
    case AT_EnableRowSecurity:
    case AT_DisableRowSecurity: return back(target, text_of(kSecurity, relation_only));
    case AT_ForceRowSecurity:
    case AT_NoForceRowSecurity: return back(target, text_of(kForced, relation_only));
    default: return {};
    }
}

}  // namespace zdm::plan
