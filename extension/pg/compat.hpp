// All that differs between PostgreSQL 15 and 18, and nothing else.
#pragma once

#include <cstdint>

#include "pg/postgres.hpp"

extern "C" {
#include "executor/executor.h"
#include "parser/parser.h"
#include "replication/slot.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"
#include "utils/relcache.h"
#include "utils/wait_event.h"
}

#if PG_VERSION_NUM < 150000
#error "zdm needs PostgreSQL 15 or later"
#endif

namespace zdm::pg::compat {

// Runs a portal to its end as a top-level statement.
inline void run_portal(Portal portal, DestReceiver* dest, QueryCompletion* completion) {
#if PG_VERSION_NUM >= 180000
    PortalRun(portal, FETCH_ALL, true, dest, dest, completion);
#else
    PortalRun(portal, FETCH_ALL, true, true, dest, dest, completion);
#endif
}

// Runs a started query to its end.
inline void run_executor(QueryDesc* query) {
#if PG_VERSION_NUM >= 180000
    ExecutorRun(query, ForwardScanDirection, 0);
#else
    ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

// Whether role owns the relation (superusers and members of the owner included).
inline bool owns_relation(Oid relation, Oid role) {
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, relation, role);
#else
    return pg_class_ownercheck(relation, role);
#endif
}

// Whether a worker may connect as a role that has no LOGIN, and the flag with which it does.
#if PG_VERSION_NUM >= 170000
inline constexpr bool kCanBypassRoleLogin = true;
inline constexpr uint32 kBypassRoleLogin = BGWORKER_BYPASS_ROLELOGINCHECK;
#else
inline constexpr bool kCanBypassRoleLogin = false;
inline constexpr uint32 kBypassRoleLogin = 0;
#endif

// The wait event that a sleeping worker shows in pg_stat_activity.
inline uint32 wait_event() {
#if PG_VERSION_NUM >= 170000
    static uint32 event = 0;
    if (event == 0) event = WaitEventExtensionNew("Zdm");
    return event;
#else
    return PG_WAIT_EXTENSION;
#endif
}

// reverse(text); there is one for bytea as well from 18 on.
#if PG_VERSION_NUM >= 180000
inline constexpr Oid kReverseText = F_REVERSE_TEXT;
#else
inline constexpr Oid kReverseText = F_REVERSE;
#endif

// random() without a range; there are more from 17 on.
#if PG_VERSION_NUM >= 170000
inline constexpr Oid kRandom = F_RANDOM_;
#else
inline constexpr Oid kRandom = F_RANDOM;
#endif

// Functions for UUIDs that not all versions have.
inline bool makes_uuid([[maybe_unused]] Oid function) {
#if PG_VERSION_NUM >= 180000
    return function == F_UUIDV4 || function == F_UUIDV7_ || function == F_UUIDV7_INTERVAL;
#else
    return false;
#endif
}

// Settings that a worker must reset beside those that all versions have.
inline constexpr bool kHasTransactionTimeout = PG_VERSION_NUM >= 170000;

// The server declares its walkers' callbacks without parameters before 16.
using TreeWalker = bool (*)(Node*, void*);
using TreeMutator = Node* (*)(Node*, void*);
#if PG_VERSION_NUM >= 160000
inline bool walk(Node* node, TreeWalker walker, void* context) {
    return expression_tree_walker(node, walker, context);
}
inline bool walk_raw(Node* node, TreeWalker walker, void* context) {
    return raw_expression_tree_walker(node, walker, context);
}
inline bool walk_query(Query* query, TreeWalker walker, void* context) {
    return query_tree_walker(query, walker, context, 0);
}
inline Node* mutate(Node* node, TreeMutator mutator, void* context) {
    return expression_tree_mutator(node, mutator, context);
}
#else
namespace detail {
// By way of void (*)(), which the compiler lets stand for any function.
template <typename Result>
auto untyped(Result (*function)(Node*, void*)) {
    return reinterpret_cast<Result (*)()>(reinterpret_cast<void (*)()>(function));
}
}  // namespace detail
inline bool walk(Node* node, TreeWalker walker, void* context) {
    return expression_tree_walker(node, detail::untyped(walker), context);
}
inline bool walk_raw(Node* node, TreeWalker walker, void* context) {
    return raw_expression_tree_walker(node, detail::untyped(walker), context);
}
inline bool walk_query(Query* query, TreeWalker walker, void* context) {
    return query_tree_walker(query, detail::untyped(walker), context, 0);
}
inline Node* mutate(Node* node, TreeMutator mutator, void* context) {
    return expression_tree_mutator(node, detail::untyped(mutator), context);
}
#endif

// Columns of indexes that keep an update of them from being HOT.
#if PG_VERSION_NUM >= 160000
inline constexpr IndexAttrBitmapKind kHotColumns = INDEX_ATTR_BITMAP_HOT_BLOCKING;
#else
inline constexpr IndexAttrBitmapKind kHotColumns = INDEX_ATTR_BITMAP_ALL;
#endif

// Which indexes need an entry for a row version, as table_tuple_update() tells, and these entries.
// Gives the indexes whose unique constraint is to be checked later.
#if PG_VERSION_NUM >= 160000
using UpdatedIndexes = TU_UpdateIndexes;
inline List* insert_index_entries(ResultRelInfo* target, TupleTableSlot* row, EState* estate,
                                  UpdatedIndexes indexes) {
    if (indexes == TU_None) return NIL;
    return ExecInsertIndexTuples(target, row, estate, true, false, nullptr, NIL,
                                 indexes == TU_Summarizing);
}
#else
using UpdatedIndexes = bool;
inline List* insert_index_entries(ResultRelInfo* target, TupleTableSlot* row, EState* estate,
                                  UpdatedIndexes indexes) {
    if (!indexes) return NIL;
    return ExecInsertIndexTuples(target, row, estate, true, false, nullptr, NIL);
}
#endif

// How many rows a query has changed, for those who ask the executor.
inline void set_processed(EState* estate, uint64 rows) {
    estate->es_processed = rows;
#if PG_VERSION_NUM >= 160000
    estate->es_total_processed = rows;
#endif
}

// Whether an UPDATE is written with RETURNING.
inline bool has_returning(const UpdateStmt* update) {
#if PG_VERSION_NUM >= 180000
    return update->returningClause != nullptr;
#else
    return update->returningList != NIL;
#endif
}

// Generated columns that are computed when they are read.
#if PG_VERSION_NUM >= 180000
inline constexpr bool kHasVirtual = true;
inline bool is_virtual(const Constraint* generation) {
    return generation->generated_kind == ATTRIBUTE_GENERATED_VIRTUAL;
}
#else
inline constexpr bool kHasVirtual = false;
inline bool is_virtual(const Constraint*) { return false; }
#endif

// How many checkpoints were asked for so far, and how much WAL there is, in bytes from its start.
#if PG_VERSION_NUM >= 170000
inline constexpr auto kRequestedCheckpoints =
    "SELECT num_requested, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
    "  FROM pg_stat_checkpointer";
#else
inline constexpr auto kRequestedCheckpoints =
    "SELECT checkpoints_req, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
    "  FROM pg_stat_bgwriter";
#endif

// Whether it is one of ours, or of other extensions, or helps with a parallel query.
inline bool is_background_worker(const PGPROC& process) {
#if PG_VERSION_NUM >= 180000
    return !process.isRegularBackend;
#else
    return process.isBackgroundWorker;
#endif
}

// The class of waits for others to let go of a page.
#if PG_VERSION_NUM >= 170000
inline constexpr std::uint32_t kWaitBufferPin = PG_WAIT_BUFFERPIN;
#else
inline constexpr std::uint32_t kWaitBufferPin = PG_WAIT_BUFFER_PIN;
#endif

// Makes a replication slot of this process, without WAL.
inline void create_temporary_slot(const char* name) {
#if PG_VERSION_NUM >= 170000
    ReplicationSlotCreate(name, false, RS_TEMPORARY, false, false, false);
#else
    ReplicationSlotCreate(name, false, RS_TEMPORARY, false);
#endif
}

// Whether this transaction holds exactly this lock.
inline bool holds_lock(const LOCKTAG* tag, LOCKMODE mode) {
#if PG_VERSION_NUM >= 170000
    return LockHeldByMe(tag, mode, false);
#else
    return LockHeldByMe(tag, mode);
#endif
}

}  // namespace zdm::pg::compat
