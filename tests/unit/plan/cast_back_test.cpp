#include "plan/cast_back.hpp"

#include <gtest/gtest.h>

namespace zdm::plan {
namespace {

std::string text(const std::string& from, const std::string& to) {
    const auto cast = cast_back(from, to, "x");
    return cast ? cast->expression : "none";
}

TEST(PlanCastBack, IntegersThatDoNotFitAreNull) {
    EXPECT_EQ(
        text("bigint", "integer"),
        "CASE WHEN x BETWEEN '-2147483648'::integer AND '2147483647'::integer THEN x::integer "
        "END");
    EXPECT_EQ(text("integer", "smallint"),
              "CASE WHEN x BETWEEN '-32768'::smallint AND '32767'::smallint THEN x::smallint END");
    EXPECT_EQ(text("smallint", "bigint"), "x::bigint");
    EXPECT_TRUE(cast_back("bigint", "integer", "x")->partial);
    EXPECT_TRUE(cast_back("bigint", "integer", "x")->exact);
    EXPECT_FALSE(cast_back("integer", "bigint", "x")->partial);
}

TEST(PlanCastBack, FractionsDoNotFitIntegers) {
    EXPECT_EQ(text("numeric(10,2)", "integer"),
              "CASE WHEN x BETWEEN '-2147483648'::integer AND '2147483647'::integer AND x = "
              "trunc(x) THEN x::integer END");
}

TEST(PlanCastBack, NumericsKeepTheirDigits) {
    EXPECT_EQ(text("integer", "numeric"), "x::numeric");
    EXPECT_EQ(text("numeric", "numeric(6,2)"),
              "CASE WHEN abs(x) < '10000'::numeric AND x = round(x, 2) THEN x::numeric(6,2) END");
    EXPECT_EQ(text("bigint", "numeric(3,0)"),
              "CASE WHEN abs(x::numeric) < '1000'::numeric AND x::numeric = round(x::numeric, 0) "
              "THEN x::numeric::numeric(3,0) END");
    EXPECT_EQ(text("numeric", "numeric(2,5)"), "none");
}

TEST(PlanCastBack, TextTakesAll) {
    EXPECT_EQ(text("numeric", "text"), "x::text");
    EXPECT_EQ(text("uuid", "character varying"), "x::character varying");
    EXPECT_EQ(text("text", "character varying(3)"),
              "CASE WHEN length(x::text) <= 3 THEN x::character varying END");
    EXPECT_EQ(text("text", "text"), "x");
}

TEST(PlanCastBack, FloatsOutOfRangeAreNull) {
    EXPECT_NE(text("double precision", "real").find("3.4e38"), std::string::npos);
    EXPECT_FALSE(cast_back("double precision", "real", "x")->exact);
    EXPECT_EQ(text("real", "double precision"), "x::double precision");
}

TEST(PlanCastBack, WhatMayRaiseIsNotKnown) {
    EXPECT_EQ(text("text", "integer"), "none");
    EXPECT_EQ(text("double precision", "integer"), "none");
    EXPECT_EQ(text("json", "jsonb"), "none");
    EXPECT_EQ(text("jsonb", "json"), "x::json");
    EXPECT_EQ(text("timestamp with time zone", "timestamp without time zone"), "none");
}

}  // namespace
}  // namespace zdm::plan
