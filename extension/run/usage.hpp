// Who uses what a migration has made, and would miss it after a rollback.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/migration.hpp"
#include "pg/error.hpp"

namespace zdm::run {

enum class Use {
    write,       // applications wrote new columns themselves: evidence of the sync trigger
    dependency,  // an object that the migration didn't make
    session,     // connected now, with a right on a table that changes
    loss,        // rows whose new values the old columns don't have
    misfit,      // rows that refuse a constraint which comes back
    unread,      // a table in which nobody looked for such rows
};
std::string_view to_text(Use use);

struct Finding {
    Use use = Use::write;
    std::string relation;  // table that it is about; empty when it is about none
    std::string object;    // what goes
    std::string used_by;   // who uses it: the object, or the application's name; may be empty
    std::string role;      // of the sessions
    std::int64_t sessions = 0;
    std::optional<std::int64_t> last_used;  // seconds since the epoch; nullopt: never, or not known
    bool readable = true;                   // of writes: whether the evidence is there
    bool blocks = false;                    // of objects: while it is there, nothing can go
    std::int64_t rows = 0;                  // of losses and misfits
    std::string examples;                   // "(0,1), id = 7; (0,2), id = 8"; why it is unread
};

// Whether it speaks against a rollback: an absence of writes does not. Pure.
bool is_use(const Finding& finding);
// The finding in a sentence without a full stop. Pure.
std::string describe(const Finding& finding, std::int64_t now);
// ZD311 when something blocks the rollback of the migration, with all that does. Pure.
std::optional<pg::Error> refusal(const std::string& migration,
                                 const std::vector<Finding>& findings);

// All of it, in a transaction of the caller, with the rights of the caller.
std::vector<Finding> usage(const catalog::Migration& migration);

// Something that a rollback takes away, or gives its definition of before, as pg_depend names it.
struct Taken {
    std::uint32_t class_id = 0;
    std::uint32_t object_id = 0;
    int sub_id = 0;              // number of the column
    std::uint32_t relation = 0;  // table that it belongs to
    bool restored = false;       // a view, a function, or the default of a column: it stays
};
// What these statements drop, or define anew, of what is there. Names are found under the
// search_path of now.
std::vector<Taken> taken_by(const std::string& sql);

}  // namespace zdm::run
