// Migration files: what they are called and what they say. The server keeps and compares the SQL.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace zdm::cli {

struct MigrationFile {
    std::filesystem::path path;
    std::string name;  // file name without .sql
    std::string sql;   // line ends as \n, without a byte order mark
};

// CRLF and lone CR become LF, a byte order mark goes: an editor's habits are no other migration.
std::string normalise(std::string_view text);

// The name of the migration that a file holds; throws Failure for a name that can't be one.
std::string migration_name(const std::filesystem::path& path);

// Throws Failure (usage) for a file that can't be read or holds nothing.
MigrationFile read_migration(const std::filesystem::path& path);

// The *.sql of a folder in name order, by bytes.
std::vector<std::filesystem::path> list_migrations(const std::filesystem::path& folder);

// A line of a text, 1-based, without its end; empty beyond the text.
std::string line_of(std::string_view text, int line);

}  // namespace zdm::cli
