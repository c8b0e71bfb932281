#include "sync/signs.hpp"

#include <cstdio>
#include <ctime>

#include "pg/executor.hpp"

extern "C" {
#include "access/relation.h"
#include "commands/sequence.h"
#include "storage/bufmgr.h"
}

namespace zdm::sync {

namespace {

const char* prefix(Sign sign) {
    switch (sign) {
    case Sign::acted: return "acted";
    case Sign::wrote: return "wrote";
    case Sign::differs: return "differs";
    }
    return "";
}

void write_name(char (&name)[NAMEDATALEN], Sign sign, std::uint32_t relation) {
    std::snprintf(name, sizeof name, "%s_%u", prefix(sign), relation);
}

// The sequence of a sign. Its name is made of the relation that fired, never of an argument: nobody
// can write evidence about a table of others.
Oid find_sequence(Sign sign, std::uint32_t relation) {
    char name[NAMEDATALEN];
    write_name(name, sign, relation);
    const Oid schema = get_namespace_oid("zdm", true);
    return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

// The sequence's owner, InvalidOid when this is no sequence (any more).
Oid sequence_owner(Oid sequence) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(sequence));
    if (!HeapTupleIsValid(tuple)) return InvalidOid;
    auto* const form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    const Oid owner = form->relkind == RELKIND_SEQUENCE ? form->relowner : InvalidOid;
    ReleaseSysCache(tuple);
    return owner;
}

// While it works on a sequence the session is its owner, for whom no code of others runs here. When
// something raises, the abort of the (sub)transaction restores the user.
template <typename F>
void as_owner(Oid owner, F f) {
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
    f();
    SetUserIdAndSecContext(user, context);
}

void set_value(Oid sequence, std::int64_t value) {
    DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(value));
}

// The value of the sequence; 0 when it has none yet. Read from its one row, by somebody who has a
// lock on it: the server's own functions take one that stays until the end of the transaction.
std::int64_t value_of(Oid sequence) {
    Relation const opened = relation_open(sequence, NoLock);
    Buffer const buffer = ReadBuffer(opened, 0);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page const page = BufferGetPage(buffer);
    HeapTupleData row;
    ItemId const item = PageGetItemId(page, FirstOffsetNumber);
    row.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
    const auto* const data = reinterpret_cast<Form_pg_sequence_data>(GETSTRUCT(&row));
    const std::int64_t value = data->is_called ? data->last_value : 0;
    UnlockReleaseBuffer(buffer);
    relation_close(opened, NoLock);
    return value;
}

// nextval() would count by itself, but then it would be what the application's lastval() gives. So
// reading and writing must be one, and this lock is held for that moment only.
void add_to(Oid sequence, std::int64_t rows) {
    LOCKTAG moment;
    SET_LOCKTAG_OBJECT(moment, MyDatabaseId, RelationRelationId, sequence, 1);
    LockAcquire(&moment, ExclusiveLock, false, false);
    set_value(sequence, value_of(sequence) + rows);
    LockRelease(&moment, ExclusiveLock, false);
}

}  // namespace

std::string sign_name(Sign sign, std::uint32_t relation) {
    char name[NAMEDATALEN];
    write_name(name, sign, relation);
    return name;
}

void note(Sign sign, std::uint32_t relation, std::int64_t* last) {
    const std::int64_t now = std::time(nullptr);
    if (*last == now) return;
    // Only rows of temporary tables get here in a read-only transaction, and setval would refuse.
    if (XactReadOnly || IsInParallelMode()) return;

    const Oid sequence = find_sequence(sign, relation);
    if (!OidIsValid(sequence)) {
        *last = now;
        return;
    }
    // Somebody is dropping it: the application must not wait for that. The next row tries again.
    if (!ConditionalLockRelationOid(sequence, RowExclusiveLock)) return;
    const Oid owner = sequence_owner(sequence);
    if (OidIsValid(owner)) as_owner(owner, [=] { set_value(sequence, now); });
    *last = now;
}

std::int64_t value_now(Sign sign, std::uint32_t relation) {
    const Oid sequence = find_sequence(sign, relation);
    if (!OidIsValid(sequence) || !ConditionalLockRelationOid(sequence, AccessShareLock)) return -1;
    const std::int64_t value = OidIsValid(sequence_owner(sequence)) ? value_of(sequence) : -1;
    // Who reads zdm's views in a long transaction must not keep a step from dropping it.
    UnlockRelationOid(sequence, AccessShareLock);
    return value;
}

void add_differences(std::uint32_t relation, std::int64_t rows) {
    if (XactReadOnly || IsInParallelMode()) return;
    const Oid sequence = find_sequence(Sign::differs, relation);
    if (!OidIsValid(sequence) || !ConditionalLockRelationOid(sequence, RowExclusiveLock)) return;
    const Oid owner = sequence_owner(sequence);
    if (OidIsValid(owner)) as_owner(owner, [=] { add_to(sequence, rows); });
}

}  // namespace zdm::sync
