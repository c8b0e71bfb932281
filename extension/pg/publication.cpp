#include "pg/publication.hpp"

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"

#include "pg/executor.hpp"

namespace zdm::pg {

void check_replica_identity(std::uint32_t relation, bool deletes) {
    call([&] {
        Relation rel = table_open(relation, NoLock);
        CheckCmdReplicaIdentity(rel, deletes ? CMD_DELETE : CMD_UPDATE);
        table_close(rel, NoLock);
    });
}

std::string publications_of(std::uint32_t relation, bool deletes) {
    const PinnedPath pinned;
    return query(
               "SELECT string_agg(quote_ident(p.pubname), ', ' ORDER BY p.pubname)"
               "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
               "  JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = "
               "c.relname"
               "  JOIN pg_publication p ON p.pubname = t.pubname"
               " WHERE c.oid = $1::oid AND CASE WHEN $2 THEN p.pubdelete ELSE p.pubupdate END",
               {std::int64_t{relation}, deletes})
        .front()
        .text(0);
}

}  // namespace zdm::pg
