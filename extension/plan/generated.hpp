// What to do instead of ADD COLUMN ... GENERATED ALWAYS AS (...) STORED, for which the server
// rewrites the table: a plain column that a trigger of the user's own fills. Pure.
#pragma once

#include <string>

namespace zdm::plan {

// Names are quoted, and qualified where they can be.
struct StoredColumn {
    std::string table;
    std::string column;
    std::string definition;  // type, collation, storage
    std::string expression;
    bool not_null = false;
    std::string trigger;
    std::string function;
};

// The statements of a migration that makes, fills and keeps such a column.
std::string plain_column_sql(const StoredColumn& column);

}  // namespace zdm::plan
