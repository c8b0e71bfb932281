// The reader of ALTER TABLE ... ALTER COLUMN ... TYPE that would rewrite the table.
#pragma once

#include <functional>
#include <string>

#include "plan/cast_back.hpp"
#include "plan/read_rename.hpp"

struct AlterTableCmd;
struct Node;

namespace zdm::plan {

class Expressions;
struct Retyped;

class RetypeReader : public RenameReader {
public:
    RetypeReader(Rehearsal& rehearsal, const Statement& statement, Place at, std::size_t table,
                 const AlterTableCmd* command, const Given* down);
    // `replay` runs the statement on the clone.
    RetypeColumn read(const std::function<void()>& replay, Seen& seen);

private:
    struct Target {
        std::string definition;
        std::string type;
        bool domain = false;
    };
    Target target(const std::function<void()>& replay) const;
    // Whether different values stay different both ways.
    bool read_rules(RetypeColumn& retype, const Target& to);
    struct Back {
        Node* value = nullptr;
        bool exact = false;
    };
    Back read_back(const Expressions& reader, RetypeColumn& retype, const Target& to) const;
    CastBack known_back(const Target& to) const;
    std::string other_ways() const;
    void check_up(const Expressions& reader, Node* up) const;
    Node* value_of(const std::string& sql, Node* value) const;
    bool is_cast(Node* up, const std::string& plain) const;
    std::string zone() const;
    void read_default(RetypeColumn& retype) const;
    void check_index(const CopiedIndex& index, bool exact);
    void read_primary(RetypeColumn& retype, std::size_t place) const;
    void check_children();
    void read_own(RetypeColumn& retype) const;
    void read_own_not_null(RetypeColumn& retype, std::size_t place) const;
    void check_subscribers(const Target& to) const;
    void read_old(RetypeColumn& retype) const;
    void refuse_again() const;
    void name_others(bool privately) const;
    void share_with_others(RetypeColumn& retype) const;
    void leave_out_of_hanging(const Retyped& one, const Statements& keys) const;
    std::string clone() const;
    void on_clone(const std::string& command) const;

    Node* using_;        // as written; null: none
    const Given* down_;  // `-- zdm: down`; null: none
    std::string parked_;
    std::string old_type_;
    bool is_cast_ = false;  // without USING, or with one that says what the server does without it
};

}  // namespace zdm::plan
