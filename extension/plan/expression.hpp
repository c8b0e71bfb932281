// What the planner must know about an analysed expression of an UPDATE or DELETE. All functions but
// the class are for expressions over one relation, range table entry 1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct List;
struct Node;
struct Query;

namespace zdm::plan {

class Expressions {
public:
    // `relation` is the clone that the query changes, `name` the original's name, not quoted;
    // `not_null` are the columns (not quoted) that have no NULLs in the original either.
    Expressions(std::uint32_t relation, std::string name, std::vector<std::string> not_null)
        : relation_(relation), name_(std::move(name)), not_null_(std::move(not_null)) {}

    // SQL text with all names qualified, columns of the relation not.
    std::string text(Node* expression) const;
    // Columns of the relation that it reads, quoted, without `but`.
    std::vector<std::string> columns(Node* expression, const std::string& but = {}) const;
    // Whether its value can't be NULL. False when that is not certain.
    bool never_null(Node* expression) const;
    // A function that not every role may execute, empty when there is none.
    std::string not_public(Node* expression) const;

private:
    bool not_null_column(int number) const;

    std::uint32_t relation_;
    std::string name_;
    std::vector<std::string> not_null_;
};

bool is_immutable(Node* expression);
bool is_volatile(Node* expression);
bool has_subquery(Node* expression);
// What in an expression is known to raise an error for some values, in words; empty: nothing is
// known to.
std::string may_fail(Node* expression);
// Whether a subquery in it reads a temporary relation, that is a clone.
bool reads_clone(Node* expression);

// The parts of a condition between its top-level ANDs.
List* conjuncts(Node* condition);
// The column that a conjunct `c IS NULL` names, 0 when it is no such conjunct.
int null_test_column(Node* conjunct);
// Whether `condition` is provably not true of a row after the assignments of `update`.
bool false_after(Node* condition, Query* update);

}  // namespace zdm::plan
