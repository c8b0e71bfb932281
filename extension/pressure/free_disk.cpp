// Free disk under the data directory, pg_wal and the tablespaces of the table that is filled.
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/disk.hpp"
#include "pressure/signals.hpp"

#include "pg/postgres.hpp"

namespace zdm::pressure {

namespace {

// Tablespaces of its own of the table or its partitions, their indexes and out-of-line values;
// without a table, the database's.
pg::Kept find_tablespaces{
    "WITH RECURSIVE tree(oid) AS (SELECT $1::oid UNION ALL"
    " SELECT i.inhrelid FROM tree t JOIN pg_class p ON p.oid = t.oid AND p.relkind = 'p'"
    "   JOIN pg_inherits i ON i.inhparent = t.oid)"
    "SELECT DISTINCT s.oid, s.spcname FROM"
    " (SELECT 0::oid AS space WHERE $1 = 0"
    "  UNION ALL SELECT c.reltablespace FROM tree r JOIN pg_class c ON c.oid = r.oid"
    "   WHERE c.relkind <> 'p'"
    "  UNION ALL SELECT c.reltablespace FROM tree r JOIN pg_class t ON t.oid = r.oid"
    "   JOIN pg_class c ON c.oid = t.reltoastrelid"
    "  UNION ALL SELECT c.reltablespace FROM tree r JOIN pg_index i ON i.indrelid = r.oid"
    "   JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i') used"
    " JOIN pg_tablespace s ON s.oid = coalesce(nullif(used.space, 0),"
    "      (SELECT d.dattablespace FROM pg_database d WHERE d.datname = current_database()))"
    " WHERE s.spcname NOT IN ('pg_default', 'pg_global')"};

Place place_at(const std::string& what, const std::string& path) {
    struct statvfs disk;
    if (statvfs(path.c_str(), &disk) != 0) throw Blind{path + ": " + std::strerror(errno)};
    return {what, static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize)};
}

class FreeDisk : public Signal {
public:
    const char* name() const override { return "free_disk"; }
    const char* unit() const override { return "bytes"; }
    bool is_on(const Limits& limits) const override { return limits.min_free_disk > 0; }
    const char* remedy() const override { return "set min_free_disk to 0 to do without it"; }
    std::int64_t fresh_ms() const override { return 1000; }
    Reading read(const Look& look) override {
        const std::string data = DataDir;
        std::vector<Place> places{place_at("the data directory", data),
                                  place_at("pg_wal", data + "/pg_wal")};
        const pg::Door door;
        for (const auto& row :
             pg::query(find_tablespaces, {std::int64_t{look.subject.relation}}).rows)
            places.push_back(
                place_at("tablespace " + row.text(1), data + "/pg_tblspc/" + row.text(0)));
        return judge_disk(places, look.limits.min_free_disk);
    }
};

}  // namespace

SignalPtr make_free_disk() { return std::make_unique<FreeDisk>(); }

}  // namespace zdm::pressure
