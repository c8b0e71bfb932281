#include "cli/connection.hpp"

#include <gtest/gtest.h>

#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

using Variables = std::map<std::string, std::string>;

Variables keywords(const ConnectionFlags& flags, const Variables& variables = {}) {
    auto found = connection_keywords(flags, [&](const char* name) -> std::optional<std::string> {
        const auto it = variables.find(name);
        if (it == variables.end()) return std::nullopt;
        return it->second;
    });
    EXPECT_EQ(found["application_name"], "zdm");
    EXPECT_EQ(found["client_encoding"], "UTF8");
    found.erase("application_name");
    found.erase("client_encoding");
    return found;
}

}  // namespace

TEST(Connection, NothingGivenLeavesAllToLibpq) { EXPECT_EQ(keywords({}), Variables{}); }

TEST(Connection, FlagsAreAsInPsql) {
    EXPECT_EQ(keywords({"h", "1", "u", "d"}),
              (Variables{{"host", "h"}, {"port", "1"}, {"user", "u"}, {"dbname", "d"}}));
}

TEST(Connection, DatabaseMayBeUriOrString) {
    EXPECT_EQ(keywords({{}, {}, {}, "postgresql://u@h:5/d"}),
              (Variables{{"host", "h"}, {"port", "5"}, {"user", "u"}, {"dbname", "d"}}));
    EXPECT_EQ(keywords({"other", {}, "me", "host=h dbname=d"}),
              (Variables{{"host", "h"}, {"user", "me"}, {"dbname", "d"}}));
}

TEST(Connection, FlagsBeatVariablesAndOursTheOthers) {
    const Variables both = {{"ZDM_DATABASE_URL", "postgresql://z@zh/zd"},
                            {"DATABASE_URL", "postgresql://o@oh/od"}};
    EXPECT_EQ(keywords({}, both), (Variables{{"host", "zh"}, {"user", "z"}, {"dbname", "zd"}}));
    EXPECT_EQ(keywords({{}, {}, {}, "mine"}, both),
              (Variables{{"host", "zh"}, {"user", "z"}, {"dbname", "mine"}}));
    EXPECT_EQ(keywords({"fh", "9", {}, {}}, {{"DATABASE_URL", "postgresql://o@oh/od"}}),
              (Variables{{"host", "fh"}, {"port", "9"}, {"user", "o"}, {"dbname", "od"}}));
    // A whole address as -d says all: nothing of the environment mixes with it.
    EXPECT_EQ(keywords({{}, {}, {}, "postgresql:///d"}, both), (Variables{{"dbname", "d"}}));
}

TEST(Connection, AVariableMayHoldADatabaseName) {
    EXPECT_EQ(keywords({}, {{"DATABASE_URL", "shop"}}), (Variables{{"dbname", "shop"}}));
}

TEST(Connection, BadStringsAreRefusedWithoutShowingThem) {
    try {
        keywords({}, {{"ZDM_DATABASE_URL", "postgresql://u:hunter2@h/d?nosuch=1"}});
        FAIL();
    } catch (const Failure& failure) {
        const auto all = std::string{failure.what()} + failure.detail + failure.hint;
        EXPECT_EQ(all.find("hunter2"), all.npos);
        EXPECT_NE(all.find("ZDM_DATABASE_URL"), all.npos);
        EXPECT_EQ(failure.exit, Exit::usage);
    }
}

TEST(Connection, StringsAreQuoted) {
    EXPECT_EQ(connection_string({{"dbname", "it's a \\"}}), "dbname='it\\'s a \\\\' ");
}

TEST(Connection, SecretsAreTakenOut) {
    EXPECT_EQ(without_secrets("user u password hunter2, hunter2", {{"password", "hunter2"}}),
              "user u password ***, ***");
    EXPECT_EQ(without_secrets("a*** b", {{"password", "*"}}), "a********* b");
    EXPECT_EQ(without_secrets("same", {}), "same");
}

}  // namespace zdm::cli
