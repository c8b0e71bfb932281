// Planning is a rehearsal: the statements of a migration are replayed one by one on empty clones,
// and what they do there becomes facts. All inside a subtransaction that is rolled back.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "plan/actions.hpp"
#include "plan/clones.hpp"
#include "plan/source.hpp"

struct Node;
struct RangeVar;
struct AlterTableStmt;
struct AlterTableCmd;
struct Constraint;
struct IndexStmt;
struct DropStmt;
struct UpdateStmt;
struct DeleteStmt;
struct InsertStmt;
struct RenameStmt;

namespace zdm::plan {

class Rehearsal {
public:
    Rehearsal(const Source& source, std::int64_t small_table_bytes);

    // Replays all statements. Throws pg::Error ZD0nn or ZD1nn with the place in the source.
    Facts run();

private:
    friend class AlterReader;
    friend class DataReader;
    friend class IndexReader;
    friend class ObjectReader;
    friend class RenameReader;
    friend class RetypeReader;

    void make_clones();
    // The tables that a statement names, of those that were there before.
    std::vector<std::size_t> named(const Statement& statement) const;
    void read(const Statement& statement);

    // An action for bytes [start, end) of the source.
    Action start(const Statement& statement, int begin, int end) const;
    // What a statement does with a table. Of partitioned ones, of partitions, and of tables with
    // children rows can be changed in batches, indexes built and names changed (but of the last);
    // ALTER TABLE says itself what it can't.
    enum class Use { anything, rows, index, alter, name };
    // The table that a statement changes; refuses what zdm can't change. nullopt: missing_ok and
    // not there.
    std::optional<std::size_t> target(RangeVar* relation, bool missing_ok, Use use = Use::anything);
    std::optional<std::size_t> find(RangeVar* relation);
    void check_target(std::size_t index, Place at, Use use = Use::anything) const;
    void check_tree(std::size_t index, Place at, Use use) const;
    void check_owner(std::size_t index, Place at) const;
    // The table of an index that is named, kNoTable when it has no clone.
    std::size_t find_by_index(RangeVar* index) const;
    // Runs a statement whose names are redirected already.
    Seen replay(Node* statement, bool locks = true);
    // The first other statement that names the table, or a relation `name` (schema, name) that is
    // not there yet.
    const Statement* also_naming(const Statement& statement, std::size_t table,
                                 const std::string& name) const;
    // Points all names of a statement at the clones.
    void redirect_names(Node* statement);
    void add(Action action) { facts_.actions.push_back(std::move(action)); }
    std::vector<Action>& actions() { return facts_.actions; }
    // Remembers what gives back the column that the next action drops: it reads the columns that
    // are there when the file is at its end.
    void give_down(std::size_t table, const Given& given, const std::string& definition) {
        downs_.push_back({facts_.actions.size(), table, &given, definition});
    }
    void read_downs();
    // Refuses what other statements did to the sequences of new identity columns.
    void check_identities() const;
    // Computes the rules for some rows of their tables, with notes about what came out.
    void try_rules();
    void note(Place at, const std::string& text) { facts_.notes.push_back(place_text(at) + text); }

    // What is read when all statements are.
    struct Late {
        std::size_t action = 0;
        std::size_t table = kNoTable;
        const Given* given = nullptr;
        std::string definition;  // of the column that is dropped
    };

    // Of an identity column that is added; the sequence is made anew in contract.
    struct NewIdentity {
        Place at;
        std::string sequence;
        std::string look;
    };

    const Source& source_;
    std::int64_t small_;
    Clones clones_;
    Facts facts_;
    std::vector<Late> downs_;
    std::vector<NewIdentity> identities_;
};

// ZD004 about a directive whose statement has no use for it.
[[noreturn]] void refuse_misplaced(const Source& source, const Given& given);
// ZD004 about one before a change of a column's type: `up`, and `down` of one that rewrites
// nothing.
[[noreturn]] void refuse_up_of_type(const Source& source, const Given& given);
[[noreturn]] void refuse_needless_down(const Source& source, const Given& given);

// While in scope: settings under which the rehearsal measures and stays quiet, and which give text
// that means the same in every session.
class RehearsalSettings {
public:
    RehearsalSettings();
    ~RehearsalSettings();
    RehearsalSettings(const RehearsalSettings&) = delete;
    RehearsalSettings& operator=(const RehearsalSettings&) = delete;

private:
    int level_ = 0;
};

// What the readers of statement families do; each replays its statement and adds actions.
void read_alter_table(Rehearsal&, const Statement&, AlterTableStmt*);
void read_data(Rehearsal&, const Statement&, Node*);
void read_index(Rehearsal&, const Statement&, Node*);
void read_object(Rehearsal&, const Statement&, Node*);
void read_rename(Rehearsal&, const Statement&, RenameStmt*);

}  // namespace zdm::plan
