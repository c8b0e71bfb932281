// Small text that rules put together. Pure; what comes from the catalogs is quoted already.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zdm::plan {

// "a, b, c"
std::string join(const std::vector<std::string>& parts, std::string_view separator = ", ");
bool contains(const std::vector<std::string>& names, const std::string& name);
// Whether a list of quoted names, as join() makes it, has more than one.
bool is_several(std::string_view names);
// An identifier as the server would have to write it: quoted unless it is plain lower case. Only
// for names that begin with zdm_, which are never keywords.
std::string quote_private(std::string_view name);
// A name of zdm's own for what is made for something, not quoted: zdm_phone_not_null. At most 60
// bytes, where a server's names have 63.
std::string private_name(std::string_view about, std::string_view purpose);
// The raw name of a quoted identifier.
std::string unquoted(std::string_view identifier);
// A literal with doubled quotes, for standard_conforming_strings = on or off alike.
std::string literal(std::string_view text);
// The expression in parentheses, unless it is one word or in a pair of its own already.
std::string parenthesised(const std::string& expression);

}  // namespace zdm::plan
