// The text of the engine's statements on the relation. Pure.
//
// Only zdm's own words are put together here. The SET clause and the predicate are text that the
// planner has parsed alone and written again; they run under the settings of the migration's
// owner, so everything of ours is qualified.
#pragma once

#include <string>

namespace zdm::backfill {

// Which rows of [$1, $2) (tid) match, in the order of the heap.
std::string survey_text(const std::string& relation, const std::string& predicate);

// Changes the rows at $1 (tid[]) that match and that nobody else has locked; never waits for one.
// Gives one row: how many were changed, and how many of these match even now. An empty set clause
// deletes. `key_columns`: the change concerns columns of a unique index, which conflicts with the
// key-share locks of foreign key checks.
std::string change_text(const std::string& relation, const std::string& set_clause,
                        const std::string& predicate, bool key_columns);

// Changes the rows at $1 that match, and gives for each whether it matches even now. Waits for rows
// that others have locked, unless direct.hpp runs it.
std::string direct_text(const std::string& relation, const std::string& set_clause,
                        const std::string& predicate);

// "\"a.b\".c": a quoted, schema-qualified name without its schema.
std::string own_name(const std::string& qualified);
// A relation under the name by which expressions know it, that of the table whose partition it is:
// "s.part AS parted".
std::string named_as(const std::string& relation, const std::string& known_as);

}  // namespace zdm::backfill
