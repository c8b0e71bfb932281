// Empty temporary copies of tables, on which a migration is rehearsed. Made and used inside one
// subtransaction that is rolled back; the originals are only read about, in the catalogs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plan/actions.hpp"
#include "plan/redirect.hpp"

namespace zdm::plan {

// What the catalogs say about a relation, beyond what the rules need.
struct Relation {
    std::uint32_t oid = 0;  // 0: made by the SQL
    std::uint32_t clone = 0;
    std::uint32_t leaf_clone = 0;  // the one partition, or child, of the clone of such a table
    std::uint32_t schema_oid = 0;
    std::uint32_t owner = 0;
    std::string owner_name;  // quoted
    std::string schema;      // as in the catalog, not quoted
    std::string name;
    std::string clone_name;
    char kind = 'r';
    bool temporary = false;
    bool system = false;
    bool owned = true;
    bool given = false;  // the clone to the original's owner, who is not the current user
    bool partition = false;
    bool inherits = false;  // is or has a child
    bool heap = true;
    bool view = false;          // made by the SQL
    bool dropped = false;       // by the SQL: the clone is gone
    bool parked = false;        // has stepped back: names differ from the original's
    bool row_security = false;  // hides rows from the current user
};

class Clones {
public:
    explicit Clones(std::int64_t small_table_bytes) : small_(small_table_bytes) {}

    // Copies these relations, and those that foreign keys tie to them. Views, sequences and the
    // like are only described.
    void make(const std::vector<std::uint32_t>& relations);
    // Takes up a table that the SQL has made as a temporary one.
    std::size_t adopt(std::uint32_t clone, const std::string& schema, const std::string& name);
    // Gives a clone and its indexes the names of the originals. Names of other schemas, which could
    // be the same, step back.
    void bring_forward(std::size_t index);
    // Lets the names of other schemas step back.
    void make_room(const std::string& schema);
    // The clone of a child of such a table, below its clone and with the columns that it alone has;
    // gives its OID.
    std::uint32_t make_child(std::size_t index, std::uint32_t child);
    // A clone that the SQL dropped.
    void forget(std::size_t index);
    // The index of an original or a clone, kNoTable when it is neither.
    std::size_t find(std::uint32_t oid) const;

    std::size_t size() const { return relations_.size(); }
    const Relation& relation(std::size_t index) const { return relations_.at(index); }
    const Table& table(std::size_t index) const { return tables_.at(index); }
    Table& table(std::size_t index) { return tables_.at(index); }
    const std::vector<Table>& tables() const { return tables_; }

    // For redirect(); good until the next change.
    Redirections redirections();
    // A name for a temporary table that is not used yet.
    std::string free_name(const std::string& wanted) const;

private:
    void describe(std::uint32_t oid, bool named);
    bool has_no_rows(const Relation& relation, const Table& table) const;
    void make_table(std::size_t index);
    // A table in pg_temp; gives its OID.
    static std::uint32_t make_temporary(const std::string& name, const std::string& definition);
    // Gives its name; the clone's stands between the two parts of its definition.
    std::string make_leaf(Relation& relation, const std::string& before, const std::string& after);
    void give_to_owner(Relation& relation, const std::string& name);
    void make_constraints(std::size_t index);
    void make_indexes(std::size_t index);
    void make_foreign_keys();
    void replay(const std::string& sql);
    bool taken(const std::string& name) const;
    void park(std::size_t index);
    void unpark(std::size_t index);
    void rename_constraint(const std::string& table, const std::string& from,
                           const std::string& to);
    void rename(const char* kind, const std::string& from, const std::string& to);

    std::int64_t small_;
    std::vector<Relation> relations_;
    std::vector<Table> tables_;
    std::vector<Redirection> redirections_;
    int parked_ = 0;
    // The names that parked indexes and constraints get back: a change of type makes them anew
    // under the names that they have.
    std::map<std::string, std::string> parked_names_;
};

}  // namespace zdm::plan
