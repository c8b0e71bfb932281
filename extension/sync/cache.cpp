// Where a session keeps compiled rules.
//
// Changes of the relation arrive through the relcache callback, which only counts; changes of
// functions and types through CachedExpression. Both are looked at when a set is taken, and a stale
// set is freed when a new one is added, when it is not busy. A set that is busy when an error ends
// its trigger stays so until its (sub)transaction's abort is announced.
#include "sync/signs.hpp"
#include "sync/compiled.hpp"

#include "pg/executor.hpp"

extern "C" {
#include "catalog/partition.h"
}

namespace zdm::sync {

namespace {

// A session that changes roles often keeps so many sets of a trigger, not one for each role.
constexpr int kMostSets = 8;

HTAB* entries = nullptr;
bool counted = false;  // an entry has differing rows

template <typename F>
void for_each_entry(F f) {
    if (entries == nullptr) return;
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, entries);
    while (auto* const entry = static_cast<Entry*>(hash_seq_search(&scan))) f(entry);
}

// Nobody evaluates any more what was taken in `least` or a subtransaction that began after it.
void release_busy(SubTransactionId least) {
    for_each_entry([least](Entry* entry) {
        for (Compiled* set = entry->sets; set != nullptr; set = set->next)
            if (set->taken_in >= least) set->busy = false;
    });
}

void forget_counted() {
    if (!counted) return;
    counted = false;
    for_each_entry([](Entry* entry) { entry->differing = 0; });
}

// What is rolled back is no difference, and so it costs a transaction one write.
void note_counted() {
    if (!counted) return;
    for_each_entry([](Entry* entry) {
        if (entry->differing > 0) add_differences(entry->watched, entry->differing);
    });
    forget_counted();
}

extern "C" {

static void relation_changed(Datum, Oid relation) {
    for_each_entry([relation](Entry* entry) {
        if (relation == InvalidOid || entry->key.relation == relation) ++entry->generation;
    });
}

static void transaction_ended(XactEvent event, void*) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE: note_counted(); break;
    case XACT_EVENT_ABORT:
        release_busy(InvalidSubTransactionId);
        forget_counted();
        break;
    default: break;
    }
}

static void subtransaction_ended(SubXactEvent event, SubTransactionId mine, SubTransactionId,
                                 void*) {
    if (event == SUBXACT_EVENT_ABORT_SUB) release_busy(mine);
}
}

bool is_current(const Entry* entry, const Compiled* set) {
    return set->generation == entry->generation && set->cached->is_valid;
}

void sweep(Entry* entry) {
    int kept = 0;
    for (Compiled** link = &entry->sets; *link != nullptr;) {
        Compiled* const old = *link;
        if (old->busy || (is_current(entry, old) && ++kept < kMostSets)) {
            link = &old->next;
            continue;
        }
        *link = old->next;
        release(old);
    }
}

void make_entries() {
    HASHCTL control{};
    control.keysize = sizeof(Entry::Key);
    control.entrysize = sizeof(Entry);
    HTAB* const made = hash_create("zdm sync triggers", 16, &control, HASH_ELEM | HASH_BLOBS);
    CacheRegisterRelcacheCallback(relation_changed, 0);
    RegisterXactCallback(transaction_ended, nullptr);
    RegisterSubXactCallback(subtransaction_ended, nullptr);
    entries = made;
}

// That of a partition is a copy of its table's, and the step that made it knows that table alone.
Oid watched_table(const ::Trigger* trigger, Oid relation) {
    if (!trigger->tgisclone) return relation;
    List* const above = get_partition_ancestors(relation);
    return above == NIL ? relation : llast_oid(above);
}

}  // namespace

Entry* find_entry(const ::Trigger* trigger, std::uint32_t relation) {
    if (entries == nullptr) make_entries();
    const Entry::Key key{trigger->tgoid, relation};
    auto* const known = static_cast<Entry*>(hash_search(entries, &key, HASH_FIND, nullptr));
    if (known != nullptr) return known;
    // Once for a trigger: a partition that leaves its table, at whatever level, loses the copy.
    const Oid watched = watched_table(trigger, relation);
    auto* const entry = static_cast<Entry*>(hash_search(entries, &key, HASH_ENTER, nullptr));
    entry->watched = watched;
    entry->generation = 0;
    entry->sets = nullptr;
    entry->last_acted = 0;
    entry->last_wrote = 0;
    entry->differing = 0;
    return entry;
}

Compiled* take(Entry* entry) {
    const Oid user = GetUserId();
    for (Compiled* set = entry->sets; set != nullptr; set = set->next) {
        if (set->busy || set->user != user || !is_current(entry, set)) continue;
        set->busy = true;
        set->taken_in = GetCurrentSubTransactionId();
        return set;
    }
    return nullptr;
}

void give_back(Compiled* set) { set->busy = false; }

void count_difference(Entry* entry) {
    ++entry->differing;
    counted = true;
}

void add(Entry* entry, Compiled* set) {
    // All entries, or the sets of triggers that were dropped would stay.
    for_each_entry(sweep);
    set->busy = true;
    set->taken_in = GetCurrentSubTransactionId();
    set->next = entry->sets;
    entry->sets = set;
}

}  // namespace zdm::sync
