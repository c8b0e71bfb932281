// WAL kept by replication slots, as the server knows it.
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/signals.hpp"
#include "pressure/slots.hpp"

namespace zdm::pressure {

namespace {

pg::Kept read_slots{
    "SELECT slot_name, active, wal_status,"
    "       coalesce(pg_current_wal_lsn() - restart_lsn, 0)::float8,"
    "       pg_size_bytes(current_setting('max_slot_wal_keep_size'))::float8"
    "  FROM pg_replication_slots"};

class SlotWal : public Signal {
public:
    const char* name() const override { return "slot_wal"; }
    const char* unit() const override { return "bytes"; }
    bool is_on(const Limits& limits) const override { return limits.slot_wal > 0; }
    const char* remedy() const override { return "set max_slot_wal to 0 to do without it"; }
    std::int64_t fresh_ms() const override { return 1000; }
    Reading read(const Look& look) override {
        std::vector<Slot> slots;
        double most = 0;
        const pg::Door door;
        for (const auto& row : pg::query(read_slots).rows) {
            slots.push_back({row.text(0), row.flag(1), row.text(2), row.real(3)});
            most = row.real(4);
        }
        return judge_slots(slots, most, look.limits.slot_wal);
    }
};

}  // namespace

SignalPtr make_slot_wal() { return std::make_unique<SlotWal>(); }

}  // namespace zdm::pressure
