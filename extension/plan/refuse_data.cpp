// Tables whose rows can't be changed in batches, or not at all.
#include "plan/ask.hpp"
#include "plan/read_data.hpp"

#include "pg/bridge.hpp"
#include "pg/publication.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

void refuse_without_identity(std::uint32_t relation, const std::string& name, bool deletes,
                             Place at) {
    try {
        pg::Subtransaction attempt;
        pg::check_replica_identity(relation, deletes);
        attempt.commit();
    } catch (const pg::Error& error) {
        const std::string detail = error.detail.empty() ? "" : error.detail + " ";
        refuse(at, "ZD111", error.sqlstate, error.what(),
               detail + "It is in publication " + pg::publications_of(relation, deletes) + ".",
               pg::sqlstate_text(error.sqlstate) == "55000"
                   ? "ALTER TABLE " + name +
                         " REPLICA IDENTITY FULL, or give it a primary key, or take it out of the "
                         "publication."
                   : "Change the publication's row filter or list of columns, or the identity "
                     "(ALTER TABLE " +
                         name + " REPLICA IDENTITY ...), so that they fit.");
    }
}

// The server does not let rules rewrite a statement that changes rows in WITH, as batches do.
void refuse_rules(std::uint32_t relation, const std::string& name, bool deletes, Place at) {
    const auto rules =
        ask("SELECT r.rulename FROM pg_catalog.pg_rewrite r WHERE r.ev_class = $1::oid"
            " AND r.ev_type = CASE WHEN $2 THEN '4' ELSE '2' END AND r.ev_enabled IN ('O', 'A')"
            " ORDER BY r.rulename LIMIT 1",
            {std::int64_t{relation}, deletes});
    if (rules.empty()) return;
    const std::string rule = pg::quote_ident(rules.front().text(0));
    refuse(at, "ZD106", pg::state::kFeatureNotSupported,
           "a rule of " + name + " rewrites the statement", "It is rule " + rule + ".",
           "Replace it by a trigger, or ALTER TABLE " + name + " DISABLE RULE " + rule +
               " for the time of the migration; or -- zdm: direct runs the statement as written.");
}

// As the server refuses it when it runs. Not where the file itself gives the table another identity
// before: that can be seen on the clone, which is never published.
void DataReader::refuse_unpublishable(std::size_t table, bool deletes, Place at) const {
    const Relation& relation = r_.clones_.relation(table);
    if (relation.oid == 0) return;
    const auto given =
        ask("SELECT c.relreplident IN ('f', 'i') AND c.relreplident <> o.relreplident"
            "  FROM pg_catalog.pg_class c, pg_catalog.pg_class o"
            " WHERE c.oid = $1::oid AND o.oid = $2::oid",
            {std::int64_t{relation.clone}, std::int64_t{relation.oid}});
    if (given.empty() || given.front().flag(0)) return;
    pg::call([&] { LockRelationOid(relation.oid, AccessShareLock); });
    refuse_without_identity(relation.oid, r_.clones_.table(table).qualified, deletes, at);
}

void DataReader::check_fill(std::size_t table, Place at) const {
    refuse_hidden_rows(table, at);
    refuse_unpublishable(table, false, at);
    refuse_rules(table, false, at);
}

void DataReader::refuse_rules(std::size_t table, bool deletes, Place at) const {
    plan::refuse_rules(r_.clones_.relation(table).oid, r_.clones_.table(table).qualified, deletes,
                       at);
}

}  // namespace zdm::plan
