#include <gtest/gtest.h>

#include "run/gate.hpp"

namespace zdm::run {
namespace {

Evidence evidence(std::optional<std::int64_t> last_acted, std::int64_t watched_since) {
    Evidence e;
    e.now = 1000;
    e.quiet_seconds = 600;
    e.other_sessions = 3;
    e.syncs.push_back({"public.users", last_acted, watched_since, true});
    return e;
}

TEST(Gate, OpenAfterAQuietPeriod) {
    EXPECT_EQ(judge(evidence(std::nullopt, 100)).state, GateState::open);
    EXPECT_EQ(judge(evidence(399, 100)).state, GateState::open);
}

TEST(Gate, ShutWhileAnOldApplicationWrites) {
    const Verdict verdict = judge(evidence(990, 100));
    EXPECT_EQ(verdict.state, GateState::shut);
    EXPECT_EQ(verdict.open_in_seconds, 591);
    EXPECT_NE(verdict.reason.find("public.users"), std::string::npos);
    EXPECT_NE(verdict.reason.find("10 s ago"), std::string::npos);
}

TEST(Gate, TheLastSecondOfTheQuietPeriodCounts) {
    EXPECT_EQ(judge(evidence(400, 100)).state, GateState::shut);
    EXPECT_EQ(judge(evidence(399, 100)).state, GateState::open);
}

TEST(Gate, ShutWhileItWasNotWatchedForLongEnough) {
    EXPECT_EQ(judge(evidence(std::nullopt, 900)).state, GateState::shut);
    EXPECT_EQ(judge(evidence(std::nullopt, 900)).open_in_seconds, 500);
}

TEST(Gate, OpenWhenNobodyElseIsConnected) {
    Evidence e = evidence(std::nullopt, 900);
    e.other_sessions = 0;
    EXPECT_EQ(judge(e).state, GateState::open);
}

TEST(Gate, AWriterKeepsItShutEvenWhenHeIsGone) {
    Evidence e = evidence(990, 900);
    e.other_sessions = 0;
    EXPECT_EQ(judge(e).state, GateState::shut);
}

TEST(Gate, NoQuietPeriodMeansNoWait) {
    Evidence e = evidence(1000, 1000);
    e.quiet_seconds = 0;
    EXPECT_EQ(judge(e).state, GateState::open);
}

TEST(Gate, BlindWhenNothingCanTell) {
    Evidence e = evidence(std::nullopt, 100);
    e.blind = "who still reads users.name";
    EXPECT_EQ(judge(e).state, GateState::blind);
    EXPECT_EQ(judge(e).reason, "zdm can't see who still reads users.name.");
}

TEST(Gate, BlindWhenItsEvidenceIsGone) {
    Evidence e = evidence(std::nullopt, 100);
    e.syncs[0].readable = false;
    EXPECT_EQ(judge(e).state, GateState::blind);
}

// Blind, on a table of 16 kB, nobody else there.
Evidence new_database() {
    Evidence e = evidence(std::nullopt, 100);
    e.blind = "who still reads users.name";
    e.other_sessions = 0;
    e.removal_bytes = 16384;
    e.small_bytes = 1 << 20;
    return e;
}

TEST(Gate, BlindnessDoesNotCountInANewDatabase) {
    const Verdict verdict = judge(new_database());
    EXPECT_EQ(verdict.state, GateState::open);
    EXPECT_EQ(verdict.reason, "");
    EXPECT_TRUE(verdict.excused.starts_with("zdm can't see who still reads users.name. That does"));
}

TEST(Gate, NothingIsExcusedWhereAllIsSeen) {
    Evidence e = new_database();
    e.blind.clear();
    EXPECT_EQ(judge(e).state, GateState::open);
    EXPECT_EQ(judge(e).excused, "");
}

TEST(Gate, BlindWhileSomebodyElseIsConnected) {
    Evidence e = new_database();
    e.other_sessions = 1;
    EXPECT_EQ(judge(e).state, GateState::blind);
    EXPECT_EQ(judge(e).excused, "");
    EXPECT_TRUE(judge(e).reason.ends_with("connected to the database: 1 other is."));
    e.other_processes = 1;
    EXPECT_TRUE(judge(e).reason.ends_with("connected to the database: 2 others are."));
    e.other_sessions = 0;
    EXPECT_EQ(judge(e).state, GateState::blind);
}

TEST(Gate, BlindWhenWhatIsRemovedIsLarge) {
    Evidence e = new_database();
    e.removal_bytes = e.small_bytes;
    EXPECT_EQ(judge(e).state, GateState::open);
    e.removal_bytes = e.small_bytes + 1;
    EXPECT_EQ(judge(e).state, GateState::blind);
    EXPECT_EQ(judge(e).reason, "zdm can't see who still reads users.name.");
    e.removal_bytes.reset();
    EXPECT_EQ(judge(e).state, GateState::blind);
}

TEST(Gate, NothingIsSmallWhereTheSettingIsOff) {
    Evidence e = new_database();
    e.small_bytes = 0;
    e.removal_bytes = 0;
    EXPECT_EQ(judge(e).state, GateState::blind);
}

TEST(Gate, EvidenceThatIsGoneIsNoExcuse) {
    Evidence e = new_database();
    e.syncs[0].readable = false;
    EXPECT_EQ(judge(e).state, GateState::blind);
    EXPECT_EQ(judge(e).excused, "");
    EXPECT_EQ(judge(e).reason, "The evidence of writes to public.users is gone.");
}

TEST(Gate, AWriterShutsItInANewDatabaseToo) {
    Evidence e = new_database();
    e.syncs[0].last_acted = 990;
    EXPECT_EQ(judge(e).state, GateState::shut);
    EXPECT_EQ(judge(e).excused, "");
}

TEST(Gate, ShutOutranksBlind) {
    Evidence e = evidence(990, 100);
    e.blind = "Reads cannot be seen.";
    EXPECT_EQ(judge(e).state, GateState::shut);
}

TEST(Gate, EveryTableHasToBeQuiet) {
    Evidence e = evidence(std::nullopt, 100);
    e.syncs.push_back({"public.orders", 995, 100, true});
    const Verdict verdict = judge(e);
    EXPECT_EQ(verdict.state, GateState::shut);
    EXPECT_NE(verdict.reason.find("public.orders"), std::string::npos);
    EXPECT_EQ(verdict.reason.find("public.users"), std::string::npos);
}

}  // namespace
}  // namespace zdm::run
