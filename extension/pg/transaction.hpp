// Transactions and subtransactions as scopes: what is not committed is rolled back.
#pragma once

#include "pg/postgres.hpp"

namespace zdm::pg {

// A subtransaction around work that may fail and be recovered from. Rolls back unless committed.
class Subtransaction {
public:
    Subtransaction();
    ~Subtransaction();
    Subtransaction(const Subtransaction&) = delete;
    Subtransaction& operator=(const Subtransaction&) = delete;

    void commit();
    // Rolls back now; the destructor does the same.
    void rollback();

private:
    MemoryContext memory_;
    ResourceOwner owner_;
    bool open_ = true;
};

// A top-level transaction of a background worker, with a snapshot for its statements. Rolls back
// unless committed; memory returns to the context that was current before.
class Transaction {
public:
    Transaction();
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit();
    // Takes a new snapshot, so that what others committed since is seen.
    void refresh_snapshot();

private:
    MemoryContext memory_;
    bool open_ = true;
};

}  // namespace zdm::pg
