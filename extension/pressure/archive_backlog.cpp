// The archiver's backlog, from its folder of marks.
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/archive.hpp"
#include "pressure/signals.hpp"
#include "pressure/standbys.hpp"

namespace zdm::pressure {

namespace {

pg::Kept read_archiver{
    "SELECT current_setting('archive_mode') <> 'off',"
    "       coalesce(last_failed_time > last_archived_time,"
    "                last_failed_time IS NOT NULL), last_failed_wal,"
    "       current_setting('archive_command') IN ('', '(disabled)')"
    "       AND coalesce(current_setting('archive_library', true), '') = ''"
    "  FROM pg_stat_archiver"};
pg::Kept count_ready{"SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"};

class ArchiveBacklog : public Signal {
public:
    const char* name() const override { return "archive_backlog"; }
    const char* unit() const override { return "files"; }
    bool is_on(const Limits& limits) const override { return limits.archive_backlog > 0; }
    const char* remedy() const override { return ZDM_GRANT ", or set max_archive_backlog to 0"; }
    std::int64_t fresh_ms() const override { return 5000; }
    Reading read(const Look& look) override {
        Archive archive;
        const pg::Door door;
        const auto row = pg::query(read_archiver).front();
        archive.on = row.flag(0);
        archive.failing = row.flag(1);
        archive.last_failed = row.text(2);
        archive.without_command = row.flag(3);
        if (archive.on) archive.ready = pg::query(count_ready).front().number(0);
        return judge_archive(archive, look.limits.archive_backlog);
    }
};

}  // namespace

SignalPtr make_archive_backlog() { return std::make_unique<ArchiveBacklog>(); }

}  // namespace zdm::pressure
