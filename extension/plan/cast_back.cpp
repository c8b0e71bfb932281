#include "plan/cast_back.hpp"

#include <array>
#include <cstdlib>
#include <string_view>

namespace zdm::plan {

namespace {

struct Integer {
    std::string_view name;
    int bytes;
    std::string_view low;
    std::string_view high;
};

constexpr std::array<Integer, 3> kIntegers = {
    {{"smallint", 2, "'-32768'::smallint", "'32767'::smallint"},
     {"integer", 4, "'-2147483648'::integer", "'2147483647'::integer"},
     {"bigint", 8, "'-9223372036854775808'::bigint", "'9223372036854775807'::bigint"}}};

const Integer* integer(std::string_view type) {
    for (const auto& one : kIntegers)
        if (one.name == type) return &one;
    return nullptr;
}

// "numeric(10,2)": the name, and what stands in parentheses.
struct Parts {
    std::string name;
    std::string modifier;
};

Parts parts_of(const std::string& type) {
    const auto open = type.find('(');
    if (open == std::string::npos) return {type, {}};
    return {type.substr(0, open), type.substr(open + 1, type.find(')', open) - open - 1)};
}

std::string when(const std::string& fits, const std::string& then) {
    return "CASE WHEN " + fits + " THEN " + then + " END";
}

std::string between(const std::string& value, std::string_view low, std::string_view high) {
    return value + " BETWEEN " + std::string{low} + " AND " + std::string{high};
}

CastBack to_integer(const std::string& from, const Integer& to, const std::string& value) {
    const std::string cast = value + "::" + std::string{to.name};
    if (const Integer* const wide = integer(from)) {
        if (wide->bytes <= to.bytes) return {cast, true, false};
        return {when(between(value, to.low, to.high), cast), true, true};
    }
    return {
        when(between(value, to.low, to.high) + " AND " + value + " = trunc(" + value + ")", cast),
        true, true};
}

// As many digits before the point as fit, and none lost behind it.
std::optional<CastBack> to_numeric(const std::string& from, const std::string& modifier,
                                   const std::string& value) {
    const std::string number = integer(from) != nullptr ? value + "::numeric" : value;
    if (modifier.empty()) return CastBack{number, true, false};
    const auto comma = modifier.find(',');
    const int precision = std::atoi(modifier.c_str());
    const int scale = comma == std::string::npos ? 0 : std::atoi(modifier.c_str() + comma + 1);
    if (scale < 0 || scale > precision) return std::nullopt;
    const std::string limit = "1" + std::string(static_cast<std::size_t>(precision - scale), '0');
    const std::string digits = std::to_string(scale);
    std::string fits = "abs(" + number + ") < '" + limit + "'::numeric AND " + number +
                       " = round(" + number + ", " + digits + ")";
    return CastBack{
        when(fits, number + "::numeric(" + std::to_string(precision) + "," + digits + ")"), true,
        true};
}

}  // namespace

std::optional<CastBack> cast_back(const std::string& from, const std::string& to,
                                  const std::string& value) {
    const Parts source = parts_of(from);
    const Parts target = parts_of(to);
    if (from == to) return CastBack{value, true, false};
    const bool number = integer(from) != nullptr || source.name == "numeric";
    if (const Integer* const whole = integer(to)) {
        if (!number) return std::nullopt;
        return to_integer(from, *whole, value);
    }
    if (target.name == "numeric" && number) return to_numeric(from, target.modifier, value);
    if (to == "text" || to == "character varying") return CastBack{value + "::" + to, true, false};
    if (target.name == "character varying")
        return CastBack{when("length(" + value + "::text) <= " + target.modifier,
                             value + "::character varying"),
                        true, true};
    if (from == "double precision" && to == "real")
        // Beyond these the cast raises.
        return CastBack{when(value + " = '0'::double precision OR abs(" + value +
                                 ") BETWEEN '1.2e-38'::double precision AND "
                                 "'3.4e38'::double precision",
                             value + "::real"),
                        false, true};
    if (from == "real" && to == "double precision")
        return CastBack{value + "::double precision", true, false};
    if (from == "jsonb" && to == "json") return CastBack{value + "::json", true, false};
    return std::nullopt;
}

}  // namespace zdm::plan
