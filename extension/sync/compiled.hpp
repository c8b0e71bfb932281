// The rules of one sync trigger, ready to run, and where a session keeps them. Trivial types only:
// an ereport may jump over every frame that holds one.
#pragma once

#include <cstdint>

#include "sync/rule.hpp"

struct Bitmapset;
struct CachedExpression;
struct ExprContext;
struct ExprState;
struct List;
struct MemoryContextData;
struct RelationData;
struct Trigger;
struct TupleTableSlot;

namespace zdm::sync {

// A column as the hot path needs it.
struct Column {
    std::int16_t number;
    std::int16_t length;  // pg_attribute.attlen
    bool by_value;
};

// Which of its decisions a rule takes.
enum class Part : unsigned char {
    alone,    // decide()
    forward,  // decide_forward()
    reverse   // decide_reverse()
};

struct CompiledRule {
    Column column;
    Mode mode;
    Part part;
    int group;             // when it is not alone
    int first;             // the first rule for the same column, itself if there is none before
    const Column* inputs;  // what the column follows, without the column itself; mode back: the
                           // new columns of its group alone, or where there are none all that it
                           // reads
    int input_count;
    ExprState* value;
    ExprState* condition;  // null: for all rows
    // An INSERT that leaves the column out writes its default; which one, when it is a constant.
    bool has_default;
    bool default_known;
    std::uintptr_t default_value;
    const char* name;  // the column's
    const char* text;  // the expression's
};

// A group of rules, as in pairs.hpp, and what was found out of the row at hand.
struct CompiledGroup {
    const Column* news;
    int new_count;
    const int* reverse;  // rules
    int reverse_count;
    signed char new_changed;  // 1: yes, 0: no, -1: nobody has asked
    signed char old_changed;
};

struct Entry;

// One set of expression states. They can't be entered twice, so a trigger that fires while its own
// expression is being evaluated takes another set.
struct Compiled {
    Compiled* next;
    MemoryContextData* memory;  // holds this struct and all that it points to
    CachedExpression* cached;
    std::uint64_t generation;  // of the entry when this was made
    std::uint32_t user;        // for whom EXECUTE was checked
    bool busy;
    std::uint32_t taken_in;  // subtransaction in which it became busy
    bool sole;  // no other trigger can have changed a row before: only what an UPDATE sets changes
    int rule_count;
    CompiledRule* rules;
    CompiledGroup* groups;
    int group_count;
    bool* compare;  // by rule: its value is to be compared with what the application wrote
    bool* settled;  // by rule: one for its column has applied to the row (index: first)
    ExprContext* context;
    bool* followed;  // by column number - 1: given to the row because the application changed an
                     // input
    int column_count;
    TupleTableSlot* given;  // the row with what the rules gave so far
    // Of a partition: the columns by which an UPDATE may move a row to another one, as in
    // tg_updatedcols; and whether one that sets none of them may as well.
    const Bitmapset* key;
    bool moves_anyhow;
    const char* trigger;
    const char* relation;
};

// What a session knows about one trigger. Never removed, so that pointers to it stay good.
struct Entry {
    struct Key {
        std::uint32_t trigger;
        std::uint32_t relation;
    } key;
    std::uint32_t watched;     // the table whose evidence its rows are: the partitioned one
    std::uint64_t generation;  // counts changes of the relation
    Compiled* sets;            // latest first
    // Seconds in which evidence was last written.
    std::int64_t last_acted;
    std::int64_t last_wrote;
    // Rows of the transaction at hand whose sides differ.
    std::int64_t differing;
};

// The entry of a trigger of the relation, made if need be. May ereport for lack of memory.
Entry* find_entry(const ::Trigger* trigger, std::uint32_t relation);
// A set that is idle, current and made for the current user, now busy; null: make one.
Compiled* take(Entry* entry);
void give_back(Compiled* set);
// Adds a set that was just made, busy, and frees those that nobody will use again.
void add(Entry* entry, Compiled* set);

// Counts a row whose sides differ, as soon as its transaction commits; one that was rolled back to
// a savepoint counts as well.
void count_difference(Entry* entry);

// Reads, checks and prepares the rules of `trigger`, for the current user. In `analysed` (may be
// null) comes a list of their expressions before planning, allocated where the caller is. Throws
// pg::Error ZD702 to ZD708.
Compiled* compile(RelationData* relation, const ::Trigger* trigger, ::List** analysed);
void release(Compiled* set);

}  // namespace zdm::sync
