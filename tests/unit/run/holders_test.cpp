#include "run/holders.hpp"

#include <gtest/gtest.h>

namespace zdm::run {
namespace {

using plan::LockMode;

Holder holder(LockMode mode, double age_ms) {
    Holder h;
    h.pid = 42;
    h.application = "shop";
    h.mode = mode;
    h.age_ms = age_ms;
    h.relation = "public.users";
    return h;
}

TEST(Holders, AnOldConflictingTransactionMakesAnAttemptHopeless) {
    const std::vector<Holder> holders{holder(LockMode::access_share, 100)};
    EXPECT_NE(hopeless(holders, LockMode::access_exclusive, 80), nullptr);
}

TEST(Holders, AYoungOneMayEndInTime) {
    const std::vector<Holder> holders{holder(LockMode::access_share, 80)};
    EXPECT_EQ(hopeless(holders, LockMode::access_exclusive, 80), nullptr);
}

TEST(Holders, OneThatDoesNotConflictIsNoReason) {
    const std::vector<Holder> holders{holder(LockMode::access_share, 9e6)};
    EXPECT_EQ(hopeless(holders, LockMode::share_row_exclusive, 80), nullptr);
}

TEST(Holders, AutovacuumYields) {
    Holder vacuum = holder(LockMode::share_update_exclusive, 9e6);
    vacuum.autovacuum = true;
    EXPECT_EQ(hopeless({vacuum}, LockMode::access_exclusive, 80), nullptr);
}

TEST(Holders, DescriptionNamesWhoAndSinceWhen) {
    Holder h = holder(LockMode::row_exclusive, 41600);
    h.role = "bob";
    h.state = "idle in transaction";
    h.query = "UPDATE users SET x = 1";
    EXPECT_EQ(describe(h),
              "pid 42 (shop, role bob, idle in transaction, transaction open for 42 s) holds ROW "
              "EXCLUSIVE on public.users; last query: UPDATE users SET x = 1");
}

TEST(Holders, DescriptionWithoutWhatMayNotBeSeen) {
    Holder h = holder(LockMode::row_exclusive, 1000);
    h.application.clear();
    EXPECT_EQ(describe(h),
              "pid 42 (no application name, transaction open for 1 s) holds ROW EXCLUSIVE on "
              "public.users");
}

TEST(Holders, DescriptionOfAPreparedTransaction) {
    Holder h = holder(LockMode::row_exclusive, 90000);
    h.pid = 0;
    EXPECT_EQ(describe(h),
              "a prepared transaction (open for 90 s) holds ROW EXCLUSIVE on public.users");
}

TEST(Holders, ReadsTheServersNamesOfModes) {
    EXPECT_EQ(lock_mode_of_server("AccessExclusiveLock"), LockMode::access_exclusive);
    EXPECT_EQ(lock_mode_of_server("ShareUpdateExclusiveLock"), LockMode::share_update_exclusive);
    EXPECT_EQ(lock_mode_of_server("SIReadLock"), LockMode::none);
}

}  // namespace
}  // namespace zdm::run
