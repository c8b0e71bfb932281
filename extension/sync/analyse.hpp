// From the text of a rule to an analysed expression over the columns of its relation.
#pragma once

#include <string>

#include "sync/rule.hpp"

struct FormData_pg_attribute;
struct Node;
struct RelationData;
struct Trigger;

namespace zdm::sync {

// Who is being compiled, for messages. Rules are counted from 0.
struct Place {
    RelationData* relation;
    const ::Trigger* trigger;

    std::string column(const std::string& name) const;
    std::string rule(std::size_t index, const std::string& expression) const;
    std::string hint() const;
    [[noreturn]] void refuse(int sqlstate, const std::string& message, std::size_t index,
                             const std::string& expression) const;
};

// What `text`, the value of `rule` for its `column`, or its condition (column: null), is to the
// server, coerced to the type that it must have. Throws pg::Error ZD705 and ZD706 when it is none.
::Node* analyse_rule(const Place& place, std::size_t index, const Rule& rule,
                     const std::string& text, FormData_pg_attribute* column);

// The column of a rule. Throws pg::Error ZD703 when there is none, ZD704 when it takes no value.
FormData_pg_attribute* find_column(const Place& place, std::size_t index, const Rule& rule);

}  // namespace zdm::sync
