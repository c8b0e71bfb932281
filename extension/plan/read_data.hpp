// The reader of UPDATE, DELETE and INSERT.
#pragma once

#include <cstdint>

#include "plan/expression.hpp"
#include "plan/rehearsal.hpp"

struct TargetEntry;

namespace zdm::plan {

// What `-- zdm: down` gives, and the same analysed.
struct DownValue {
    Down down;
    Node* value = nullptr;
};

class DataReader {
public:
    DataReader(Rehearsal& rehearsal, const Statement& statement)
        : r_(rehearsal), statement_(statement) {}
    void update(UpdateStmt* tree);
    void remove(DeleteStmt* tree);
    void insert(InsertStmt* tree);
    // `-- zdm: up`: the UPDATE of a table that the directive stands for.
    void fill(RangeVar* relation, const Given& given);
    // What ADD COLUMN gives the rows of before: the default of a new column of the clone.
    void fill_default(RangeVar* relation, const std::string& column, Place at);
    // `-- zdm: down` of a column that is dropped, whose definition is given.
    Down reverse(std::size_t table, const Given& given, const std::string& definition);
    // Likewise of a column whose type changes. On the clone both columns stand under the names that
    // they have from the switch on, and the old one is `column`.
    DownValue give_back(std::size_t table, const Given& given, const std::string& column);
    // Refuses a table whose rows can't be filled in batches.
    void check_fill(std::size_t table, Place at) const;

private:
    UpdateStmt* tree_of(const Given& given, RangeVar* relation) const;
    DownValue read_down(std::size_t table, const Given& given, const std::string& column);
    [[noreturn]] void refuse_given(const pg::Error& error, const std::string& hint) const;
    void read_update(UpdateStmt* tree, std::size_t table, Place at);
    void read_fill(UpdateStmt* tree, std::size_t table, Place at);
    Place place_of(const pg::Error& error) const;
    Action start(std::size_t table) const;
    void direct(std::size_t table);
    ::Query* analyse(Node* tree);
    void check_sources(::Query* query) const;
    // Like analyse, with the names of the tree pointed to where they belong first.
    ::Query* analyse_target(Node* tree, RangeVar* target);
    void redirect_target(Node* tree, RangeVar* target);
    void refuse_unpublishable(std::size_t table, bool deletes, Place at) const;
    void refuse_rules(std::size_t table, bool deletes, Place at) const;
    void refuse_hidden_rows(std::size_t table, Place at) const;
    void refuse_clone_reader(Node* expression, Place at) const;
    // Columns count as NOT NULL where they are so in `relation`, the original or its clone.
    Expressions expressions(std::size_t table, std::uint32_t relation) const;
    Node* default_of(std::uint32_t clone, const TargetEntry* target) const;
    Assignment read_assignment(const Expressions& reader, std::uint32_t clone, Node* value,
                               int column, Place at) const;
    void read_rest(const Expressions& reader, const ::Query* query, ::List* parts,
                   Update& update) const;

    Rehearsal& r_;
    const Statement& statement_;
    const Given* given_ = nullptr;  // whose text is read, instead of the source
    bool of_default_ = false;       // what is read nobody wrote
};

// ZD111 about a relation that is published without a replica identity that will do. To be called
// with a lock on it.
void refuse_without_identity(std::uint32_t relation, const std::string& name, bool deletes,
                             Place at);
// ZD106 about a relation with a rule for such statements.
void refuse_rules(std::uint32_t relation, const std::string& name, bool deletes, Place at);

}  // namespace zdm::plan
