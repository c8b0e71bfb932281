#include "backfill/statements.hpp"

#include <gtest/gtest.h>

namespace zdm::backfill {
namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(Statements, SurveyReadsARangeOfOneTable) {
    EXPECT_EQ(
        survey_text("s.t", "c IS NULL"),
        "SELECT ctid FROM ONLY s.t WHERE ctid OPERATOR(pg_catalog.>=) $1 AND ctid "
        "OPERATOR(pg_catalog.<) $2 AND CASE WHEN zdm.stroke(ctid) AND (c IS NULL\n) THEN true "
        "ELSE false END");
}

TEST(Statements, AnUpdateLocksOnlyAgainstOtherUpdates) {
    const auto text = change_text("s.t", "c = 1", "c IS NULL", false);
    EXPECT_TRUE(has(text, "UPDATE ONLY s.t SET c = 1\n WHERE"));
    EXPECT_TRUE(has(text, "FOR NO KEY UPDATE SKIP LOCKED"));
}

TEST(Statements, KeysAndDeletesLockAgainstForeignKeyChecksToo) {
    EXPECT_TRUE(has(change_text("s.t", "id = 1", "id = 2", true), " FOR UPDATE SKIP LOCKED"));
    const auto text = change_text("s.t", "", "old", false);
    EXPECT_TRUE(has(text, "DELETE FROM ONLY s.t WHERE"));
    EXPECT_TRUE(has(text, " FOR UPDATE SKIP LOCKED"));
}

TEST(Statements, ACommentAtTheEndOfAnExpressionEndsThere) {
    EXPECT_TRUE(has(survey_text("t", "c IS NULL -- all"), "-- all\n)"));
    EXPECT_TRUE(has(change_text("t", "c = 1 -- one", "c IS NULL", false), "-- one\n WHERE"));
}

}  // namespace
}  // namespace zdm::backfill
