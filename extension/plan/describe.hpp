// Reading what the server made of a definition: constraints, indexes, columns, as text that means
// the same under every search_path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/actions.hpp"
#include "plan/clones.hpp"

namespace zdm::plan {

struct ConstraintFacts {
    std::uint32_t oid = 0;
    std::string name;  // quoted
    char type = 'c';
    std::string expression;  // of a check
    std::string definition;  // without NOT VALID and without DEFERRABLE; names of originals
    std::string suffix;      // DEFERRABLE ...
    std::vector<std::string> columns;
    std::vector<std::string> nullable;  // those of columns that are not NOT NULL
    std::size_t referenced = kNoTable;
    std::vector<std::string> referenced_columns;
    std::string violates;
    std::uint32_t index = 0;
    bool valid = true;
    bool no_inherit = false;
};

struct IndexFacts {
    std::string name;    // quoted
    std::string schema;  // quoted
    bool unique = false;
    std::string tail;
    std::vector<std::string> columns;
};

// OIDs of the constraints and of the indexes of a relation.
std::vector<std::uint32_t> constraints_of(std::uint32_t relation);
std::vector<std::uint32_t> indexes_of(std::uint32_t relation);
// The one that is in `after` and not in `before`, 0 when there is none.
std::uint32_t added(const std::vector<std::uint32_t>& before,
                    const std::vector<std::uint32_t>& after);
// OID of a constraint or index by name (not quoted), 0 when there is none.
std::uint32_t find_constraint(std::uint32_t relation, const std::string& name);
std::uint32_t find_index(std::uint32_t relation, const std::string& name);

// A constraint of an original or a clone.
ConstraintFacts describe_constraint(const Clones& clones, std::uint32_t constraint);
IndexFacts describe_index(std::uint32_t index);

struct ColumnFacts {
    std::string name;        // quoted
    std::string definition;  // type, collation, storage
    std::string type;
    std::string default_text;  // empty: none
    bool not_null = false;
    bool has_default = false;  // also identity and generated columns
    bool in_primary_key = false;
    bool generated = false;
    bool identity = false;
};
// A column by name (not quoted) of an original or a clone; nothing when it is not there.
std::optional<ColumnFacts> describe_column(std::uint32_t relation, const std::string& column);
// Whether all rows that leave the column out get the same value, and one at all.
bool has_constant_default(std::uint32_t relation, const std::string& column);
// Whether its type is a domain, or rests on one, that forbids values or NULL: that is checked
// before a trigger could give the column its value.
bool has_constrained_domain(std::uint32_t relation, const std::string& column);

// What hangs on a relation or (column not empty) on one of its columns and would stop a drop:
// views, triggers, policies, functions. At most five, in words.
std::vector<std::string> dependents(std::uint32_t relation, const std::string& column);

}  // namespace zdm::plan
