// The words of `-- zdm:` comments. Pure: what they mean for a statement is the readers' matter.
#pragma once

#include <string_view>

namespace zdm::plan {

// Which way an expression goes: `up` gives a new column from old ones, `down` an old column from
// new ones.
enum class Way { up, down };

std::string_view to_text(Way way);

// A comment after `zdm:`, without white space around: its first word and what stands behind.
struct Directive {
    std::string_view word;
    std::string_view rest;
};
Directive split_directive(std::string_view comment);

// Without white space around.
std::string_view trim(std::string_view text);

}  // namespace zdm::plan
