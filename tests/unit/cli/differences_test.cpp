#include "cli/differences.hpp"

#include <gtest/gtest.h>

namespace zdm::cli {
namespace {

using Cells = std::vector<Value>;

Rows part(const std::vector<Cells>& rows) {
    const auto names = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{
        "relation", "differences", "place", "key", "old_values", "new_values", "table_pages"});
    Rows out;
    for (const auto& cells : rows) out.emplace_back(names, cells);
    return out;
}

Cells row(const std::string& differences, const Value& place, const Value& key = "id = 1") {
    return {"s.t", differences, place, key, R"({"a": "x"})", R"({"b": null, "c": "y"})", "40"};
}

TEST(Differences, PartsAddUp) {
    Compared table{"s.t", 0, 0, {}};
    table.add(part({row("0", std::nullopt)}), 2);
    table.add(part({row("3", "(1,1)"), row("3", "(1,2)")}), 2);
    table.add(part({row("1", "(9,1)")}), 2);
    EXPECT_EQ(table.differences, 4);
    EXPECT_EQ(table.pages, 40);
    ASSERT_EQ(table.rows.size(), 2u);
    EXPECT_EQ(table.rows[1].place, "(1,2)");
    EXPECT_EQ(differences_in({table, table}), 8);
}

TEST(Differences, InWords) {
    Compared none{"s.u", 1, 0, {}};
    Compared one{"s.t", 1, 0, {}};
    one.add(part({row("1", "(1,1)", std::nullopt)}), 20);
    EXPECT_EQ(render_differences({none, one}),
              "s.u: old and new agree in all rows\n"
              "s.t: 1 row differs\n"
              "  row    key  old    new\n"
              "  (1,1)  -    a = x  b = NULL, c = y");
    Compared many{"s.t", 1, 1500, one.rows};
    EXPECT_TRUE(render_differences({many}).ends_with("\n  ... and 1,499 more"));
}

TEST(Differences, LongValuesAndLineBreaksFitIntoACell) {
    Compared table{"s.t", 1, 1, {{"(0,1)", "id = 1", R"({"a": "1\n2"})", ""}}};
    table.rows[0].news = "{\"b\": \"" + std::string(55, 'x') + "\xC3\xA4\xC3\xA4\xC3\xA4\"}";
    const auto text = render_differences({table});
    EXPECT_NE(text.find("a = 1 2"), std::string::npos);
    EXPECT_NE(text.find("x\xC3\xA4..."), std::string::npos) << text;
}

TEST(Differences, AsJson) {
    Compared table{"s.t", 7, 1, {{"(0,1)", "", R"({"a": "x"})", "no object"}}};
    EXPECT_EQ(
        to_json(table).dump(),
        R"x({"relation":"s.t","pages":7,"differences":1,"rows":[{"place":"(0,1)","key":null,)x"
        R"x("old":{"a":"x"},"new":null}]})x");
}

TEST(Differences, APartTakesAboutHalfASecond) {
    EXPECT_EQ(next_pages(256, 0.1), 512);
    EXPECT_EQ(next_pages(256, 0.3), 256);
    EXPECT_EQ(next_pages(256, 0.7), 128);
    EXPECT_EQ(next_pages(256, 4), 64);
    EXPECT_EQ(next_pages(16, 4), 16);
    EXPECT_EQ(next_pages(65536, 0.01), 65536);
}

}  // namespace
}  // namespace zdm::cli
