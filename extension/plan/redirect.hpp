// Relation names in raw parse trees: finding them, and pointing them at clones. Plain C inside, to
// be called in pg::call.
#pragma once

#include <cstddef>
#include <cstdint>

struct Node;
struct RangeVar;
struct List;

namespace zdm::plan {

// An original relation and its clone. original is 0 for a table that the SQL makes.
struct Redirection {
    std::uint32_t original = 0;
    std::uint32_t clone = 0;
    const char* schema = nullptr;
    const char* name = nullptr;
    const char* clone_name = nullptr;
};

struct Redirections {
    const Redirection* items = nullptr;
    std::size_t count = 0;
};

// Calls visit for every relation that a statement names as such.
using RelationVisitor = void (*)(RangeVar* relation, void* context);
void visit_relations(Node* statement, RelationVisitor visit, void* context);

// Points the name at the clone of what it means under the current search_path. Names of relations
// that have no clone stay.
void redirect(RangeVar* relation, const Redirections* redirections);
// The same for all names in a statement, in place.
void redirect_all(Node* statement, const Redirections* redirections);
// Takes the schema away from columns written as schema.table.column, when the table has a clone.
void shorten_columns(Node* statement, const Redirections* redirections);
// What a name means under the current search_path, clones apart: an original, with its redirection
// if it has one, or a table that the SQL made.
struct Resolved {
    std::uint32_t oid = 0;  // 0: not there, or made by the SQL
    const Redirection* item = nullptr;
};
Resolved resolve(RangeVar* relation, const Redirections* redirections);
// The redirection that a name means, null when it has none.
const Redirection* find_redirection(RangeVar* relation, const Redirections* redirections);

}  // namespace zdm::plan
