#include "cli/render.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "cli/json.hpp"

namespace zdm::cli {

namespace {

// Neither colours nor symbols beyond ASCII, as where there is no terminal and no locale.
class Render : public testing::Test {
protected:
    Render() {
        unsetenv("LC_ALL");
        unsetenv("LC_CTYPE");
        setenv("LANG", "C", 1);
    }
    const Console& console() {
        if (console_ == nullptr) console_ = std::make_unique<Console>(ColorMode::never, false);
        return *console_;
    }
    Dress dress() { return {console(), false}; }

private:
    std::unique_ptr<Console> console_;
};

Step step(std::int64_t number, const char* phase, const char* kind, bool removal = false) {
    Step s;
    s.step = number;
    s.phase = phase;
    s.kind = kind;
    s.relation = "public.t";
    s.command = "DO " + std::to_string(number);
    s.removal = removal;
    return s;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_F(Render, TablesAreAligned) {
    EXPECT_EQ(table({{"a", "bb"}, {"ccc", ""}, {"\u00e4", "d"}}), "a    bb\nccc\n\u00e4    d\n");
}

TEST_F(Render, PlansNameLocksScansAndThePointOfNoReturn) {
    auto add = step(1, "expand", "ddl");
    add.lock = "ACCESS EXCLUSIVE";
    auto fill = step(2, "migrate", "backfill");
    fill.scans = true;
    fill.rows = 1234567;
    fill.bytes = 152043520;
    fill.note = "in batches";
    auto gate = step(3, "contract", "gate");
    gate.note = "waits for the old application";
    const auto text =
        render_plan(dress(), "m", {add, fill, gate, step(4, "contract", "ddl", true)});
    EXPECT_TRUE(has(text, "m: 4 steps"));
    EXPECT_TRUE(has(text, "lock ACCESS EXCLUSIVE"));
    EXPECT_TRUE(has(text, "reads the whole table, about 1,234,567 rows (145 MB)"));
    EXPECT_TRUE(has(text, "in batches"));
    EXPECT_TRUE(has(text, "Point of no return: step 4 (contract)."));
    EXPECT_TRUE(has(text, "Contract waits for you, and for its gate (step 3): waits for the old"));
    EXPECT_LT(text.find("DO 3"), text.find("---- point of no return"));
    EXPECT_LT(text.find("---- point of no return"), text.find("DO 4"));
}

TEST_F(Render, PlansWithoutRemovalSaySo) {
    EXPECT_TRUE(has(render_plan(dress(), "m", {step(1, "expand", "ddl")}),
                    "No step removes anything: zdm rollback works until it is done."));
}

TEST_F(Render, ProgressIsToldInWordsAndBars) {
    Progress p;
    p.percent = 61.2;
    p.rows_done = 612000;
    p.rows_estimate = 1000000;
    p.rows_per_second = 204000;
    p.eta_seconds = 1.9;
    p.throttled = "standby s1 lags";
    EXPECT_EQ(progress_words(p),
              "61.2 %, 612,000 of about 1,000,000 rows, 204,000 rows/s, 1.9 s left, held back: "
              "standby s1 lags");
    p.throttled.clear();
    const auto bar = progress_bar(dress(), p, 100);
    const auto full = std::count(bar.begin(), bar.end(), '#');
    EXPECT_GT(full, 10);
    EXPECT_LE(bar.size(), 100U);
    // No room for a bar: the words alone.
    EXPECT_EQ(progress_bar(dress(), p, 20), progress_words(p));
    // The first estimate of the time left is no estimate.
    p.percent = 0.5;
    EXPECT_FALSE(has(progress_words(p), "left"));
}

TEST_F(Render, FailuresShowTheLineWithACaret) {
    Failure failure{Exit::usage, "ZD103", "it does not converge", "Because.", "Do that."};
    failure.spot = {2, 3};
    EXPECT_EQ(render_failure(dress(), failure, "m.sql", "one\n\t\u00e4bc\n"),
              "error: ZD103: it does not converge\n"
              "  --> m.sql:2:3\n"
              "    2 | \t\u00e4bc\n"
              "      | \t ^\n"
              "  Because.\n"
              "  Next: Do that.\n");
    failure.spot = {};
    EXPECT_EQ(render_failure(dress(), failure, "m.sql", "one"),
              "error: ZD103: it does not converge\n  Because.\n  Next: Do that.\n");
}

TEST_F(Render, EachStateSaysWhatComesNext) {
    Migration m;
    m.name = "my m";
    m.state = "ready";
    m.activity = "waiting: zdm_contract('my m')";
    EXPECT_TRUE(has(next_words(m), "deploy the new version now, then: zdm contract 'my m'"));
    EXPECT_TRUE(has(next_words(m), "zdm rollback 'my m'"));
    m.switches = true;
    EXPECT_TRUE(has(next_words(m), "Next: zdm switch 'my m'"));
    EXPECT_TRUE(has(next_words(m), "zdm rollback 'my m'"));
    m.state = "switched";
    EXPECT_TRUE(has(next_words(m), "deploy the new version now, then: zdm contract 'my m'"));
    m.removal_started = true;
    EXPECT_FALSE(has(next_words(m), "rollback"));
    m.state = "failed";
    EXPECT_TRUE(has(next_words(m), "zdm resume 'my m'"));
    m.state = "migrating";
    m.activity = "stopped: zdm_resume('my m')";
    EXPECT_TRUE(has(next_words(m), "zdm resume"));
    m.activity = "running";
    EXPECT_EQ(next_words(m), "");
    m.paused = true;
    EXPECT_TRUE(has(next_words(m), "zdm resume"));
    m.paused = false;
    m.state = "done";
    EXPECT_EQ(next_words(m), "");
}

TEST_F(Render, WaitsNameReasonAndTime) {
    Migration m;
    m.waiting_for = "waiting for pid 7 (psql) to end its transaction.";
    m.waiting_seconds = 90;
    EXPECT_EQ(doing_words(m),
              "waiting for pid 7 (psql) to end its transaction, for 1 min 30 s so far");
}

TEST(ClippedText, CountsCharactersNotBytes) {
    EXPECT_EQ(clipped("\u00e4\u00f6\u00fc", 2), "\u00e4\u00f6");
    EXPECT_EQ(clipped("\033[1mab\033[0mc", 2), "\033[1mab\033[0m");
    EXPECT_EQ(clipped("abc", 10), "abc");
}

TEST(Locale, KnowsUtf8) {
    for (const char* const name : {"C.UTF-8", "en_US.utf8", "de_DE.UTF-8@euro"})
        EXPECT_TRUE(is_utf8_locale(name)) << name;
    for (const char* const name : {"C", "", "POSIX", "de_DE", "de_DE.ISO-8859-1"})
        EXPECT_FALSE(is_utf8_locale(name)) << name;
}

TEST(Json, ErrorsKeepAllFieldsAndOddBytes) {
    Failure failure{Exit::gate, "ZD401", "shut \xff", "", "Wait."};
    failure.spot = {3, 0};
    const auto json = Json::parse(dump(to_json(failure)));
    EXPECT_EQ(json["schema"], "zdm.error/1");
    EXPECT_EQ(json["code"], "ZD401");
    EXPECT_EQ(json["exit_code"], 4);
    EXPECT_EQ(json["line"], 3);
    EXPECT_TRUE(json["column"].is_null());
    EXPECT_TRUE(json["detail"].is_null());
}

}  // namespace zdm::cli
