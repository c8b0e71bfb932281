#include "sync/acted.hpp"

#include <cstdio>
#include <ctime>

#include "pg/executor.hpp"

namespace zdm::sync {

namespace {

void write_name(char (&name)[NAMEDATALEN], Sign sign, std::uint32_t relation) {
    if (sign == Sign::acted)
        std::snprintf(name, sizeof name, "acted_%u", relation);
    else
        std::snprintf(name, sizeof name, "wrote_%u", relation);
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

// setval as the owner of the sequence, for whom no code of others runs here. When it raises, the
// abort of the (sub)transaction restores the user.
void set_value(Oid sequence, Oid owner, std::int64_t value) {
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
    DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(value));
    SetUserIdAndSecContext(user, context);
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

    // The name is made of the relation that fired, never of an argument: nobody can write evidence
    // about a table of others.
    char name[NAMEDATALEN];
    write_name(name, sign, relation);
    const Oid schema = get_namespace_oid("zdm", true);
    const Oid sequence = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
    if (!OidIsValid(sequence)) {
        *last = now;
        return;
    }
    // Somebody is dropping it: the application must not wait for that. The next row tries again.
    if (!ConditionalLockRelationOid(sequence, RowExclusiveLock)) return;
    const Oid owner = sequence_owner(sequence);
    if (OidIsValid(owner)) set_value(sequence, owner, now);
    *last = now;
}

}  // namespace zdm::sync
