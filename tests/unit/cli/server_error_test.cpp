#include "cli/server_error.hpp"

#include <gtest/gtest.h>

namespace zdm::cli {

TEST(ServerError, ReadsAllFields) {
    const auto error = parse_server_error(
        "ERROR:  ZD103: line 3, column 12: it does not converge\n"
        "DETAIL:  First.\nSecond.\n"
        "HINT:  Do this.\n"
        "CONTEXT:  SQL function \"zdm_plan\"\n");
    EXPECT_EQ(error.message, "ZD103: line 3, column 12: it does not converge");
    EXPECT_EQ(error.detail, "First.\nSecond.");
    EXPECT_EQ(error.hint, "Do this.");
    EXPECT_EQ(error.spot.line, 3);
    EXPECT_EQ(error.spot.column, 12);
}

TEST(ServerError, SeverityMayBeInAnyLanguage) {
    EXPECT_EQ(parse_server_error("FEHLER:  Relation »t« existiert nicht\n").message,
              "Relation »t« existiert nicht");
}

TEST(ServerError, LeavesOutTheCursorInOurOwnQuery) {
    const auto error = parse_server_error(
        "ERROR:  relation \"x\" does not exist\n"
        "LINE 1: SELECT zdm_backfill($1)\n"
        "               ^\n"
        "HINT:  Look.\n");
    EXPECT_EQ(error.message, "relation \"x\" does not exist");
    EXPECT_EQ(error.hint, "Look.");
}

TEST(ServerError, MessagesMayHaveManyLinesAndNothingElse) {
    const auto error = parse_server_error("ERROR:  one\ntwo\n");
    EXPECT_EQ(error.message, "one\ntwo");
    EXPECT_EQ(error.detail, "");
    EXPECT_EQ(parse_server_error("no severity at all").message, "no severity at all");
    EXPECT_EQ(parse_server_error("").message, "");
}

TEST(ServerError, FindsZdmsCode) {
    EXPECT_EQ(zd_code("ZD302: exists"), "ZD302");
    for (const char* const text : {"", "ZD302", "ZD30: x", "ZDabc: x", "XX302: x", "a ZD302: x"})
        EXPECT_EQ(zd_code(text), "") << text;
}

TEST(ServerError, FindsThePlace) {
    EXPECT_EQ(find_spot("line 7, column 2: x").column, 2);
    EXPECT_EQ(find_spot("see (line 9)").line, 9);
    EXPECT_EQ(find_spot("see (line 9)").column, 0);
    for (const char* const text : {"", "line", "line x", "line 0", "outline 3", "newline 4"})
        EXPECT_EQ(find_spot(text).line, 0) << text;
}

TEST(ServerError, MapsCodesToExits) {
    EXPECT_EQ(exit_for("ZD001", "42601"), Exit::usage);
    EXPECT_EQ(exit_for("ZD105", "0A000"), Exit::usage);
    EXPECT_EQ(exit_for("ZD202", "23503"), Exit::failed);
    EXPECT_EQ(exit_for("ZD302", "42710"), Exit::usage);
    EXPECT_EQ(exit_for("ZD305", "55006"), Exit::busy);
    EXPECT_EQ(exit_for("ZD306", "57014"), Exit::timeout);
    EXPECT_EQ(exit_for("ZD401", "55000"), Exit::gate);
    EXPECT_EQ(exit_for("ZD402", "55000"), Exit::gate);
    EXPECT_EQ(exit_for("ZD502", "42501"), Exit::usage);
    EXPECT_EQ(exit_for("ZD601", "22023"), Exit::usage);
    EXPECT_EQ(exit_for("ZD999", "XX000"), Exit::failed);
    EXPECT_EQ(exit_for("", "42P01"), Exit::usage);
    EXPECT_EQ(exit_for("", "42501"), Exit::usage);
    EXPECT_EQ(exit_for("", "55P03"), Exit::busy);
    EXPECT_EQ(exit_for("", "28P01"), Exit::no_connection);
    EXPECT_EQ(exit_for("", "XX000"), Exit::failed);
    EXPECT_EQ(exit_for("", ""), Exit::failed);
}

TEST(ServerError, HintsNameCommands) {
    EXPECT_EQ(as_commands("Call zdm_resume('m'), or zdm_rollback('m')."),
              "Call zdm resume m, or zdm rollback m.");
    EXPECT_EQ(as_commands("zdm_contract('it''s', force => true, reason => '...')."),
              "zdm contract 'it'\\''s' --force --reason '...'.");
    EXPECT_EQ(as_commands("zdm_rollback('m', keep => true)."), "zdm rollback m --keep.");
    EXPECT_EQ(as_commands("Wait: CALL zdm_wait('a b')."), "Wait: zdm wait 'a b'.");
    EXPECT_EQ(as_commands("CALL zdm_wait('m', 'switched')."), "zdm wait m --for switched.");
    EXPECT_EQ(as_commands("zdm_switch('m'), then zdm_contract('m')."),
              "zdm switch m, then zdm contract m.");
    EXPECT_EQ(as_commands("Correct the rows, then call zdm_resume; or call zdm_rollback."),
              "Correct the rows, then call zdm resume; or call zdm rollback.");
    EXPECT_EQ(as_commands("zdm_resume('open"), "zdm resume('open");
    EXPECT_EQ(as_commands("zdm_start('m')"), "zdm_start('m')");
}

TEST(ServerError, FailureHasCodeAndMessageApart) {
    const auto failure = failure_from("ERROR:  ZD401: the gate is shut\nDETAIL:  Old.\n", "55000");
    EXPECT_EQ(failure.code, "ZD401");
    EXPECT_STREQ(failure.what(), "the gate is shut");
    EXPECT_EQ(failure.detail, "Old.");
    EXPECT_EQ(failure.exit, Exit::gate);
    EXPECT_EQ(failure.sqlstate, "55000");
}

}  // namespace zdm::cli
