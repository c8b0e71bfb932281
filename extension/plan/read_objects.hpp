// The reader of statements about whole objects.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/rehearsal.hpp"

struct AlterSeqStmt;
struct CommentStmt;
struct CreateStmt;
struct CreateTableAsStmt;
struct CreateTrigStmt;
struct CreatePolicyStmt;
struct CreateStatsStmt;
struct CreateFunctionStmt;
struct CreateSeqStmt;
struct GrantStmt;
struct RenameStmt;
struct TransactionStmt;
struct VacuumStmt;
struct ViewStmt;

namespace zdm::plan {

class ObjectReader {
public:
    ObjectReader(Rehearsal& rehearsal, const Statement& statement)
        : r_(rehearsal), statement_(statement), at_(rehearsal.source_.place(statement.start)) {}
    void read(Node* tree);

private:
    // What becomes of a statement that runs as written.
    Action start(std::size_t table = kNoTable) const;
    Direct as_written(const std::string& undo, const std::string& note = {}) const;
    void add(Action action, Direct direct);
    // A statement about nothing but new objects.
    void plain(Node* tree, const std::string& undo, const std::string& note = {});
    void check_ownership(int object_type, Node* object) const;
    // schema.name, quoted, of an object that a list of names will make.
    std::string creation_name(List* names) const;

    void transaction(const TransactionStmt* tree);
    void vacuum(const VacuumStmt* tree);
    void sequence(const AlterSeqStmt* tree) const;
    void rename(RenameStmt* tree);
    void rename_table(RenameStmt* tree);
    void check_new_name(std::size_t table, const std::string& name) const;
    void check_stand_in(std::size_t table) const;
    void grant(GrantStmt* tree);
    void comment(CommentStmt* tree);
    // What a comment is on, as far as zdm can restore it.
    struct Commented {
        std::string target;  // TABLE public.users
        std::string before;
        bool made_here = false;  // part of a table that was there before
    };
    std::optional<Commented> commented(CommentStmt* tree, Action& action);

    void create(Node* tree);
    void create_table(CreateStmt* tree);
    void create_table_as(CreateTableAsStmt* tree);
    void create_view(ViewStmt* tree);
    void create_function(CreateFunctionStmt* tree);
    void create_trigger(CreateTrigStmt* tree);
    void create_policy(CreatePolicyStmt* tree);
    void create_statistics(CreateStatsStmt* tree);
    void create_sequence(CreateSeqStmt* tree);
    // Points a new relation at pg_temp. nullopt: it exists already and IF NOT EXISTS says so.
    struct Home {
        std::string schema;
        std::string name;
        std::uint32_t existing = 0;
    };
    Home move_to_temp(RangeVar* relation) const;
    std::size_t adopt(const RangeVar* relation, const Home& home);
    void refuse_existing(const Home& home) const;

    void drop(DropStmt* tree);
    void drop_table(List* names, const DropStmt* tree);
    void drop_on_table(List* names, const DropStmt* tree);
    void drop_other(Node* object, const DropStmt* tree);

    Rehearsal& r_;
    const Statement& statement_;
    Place at_;
};

}  // namespace zdm::plan
