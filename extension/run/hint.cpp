#include "run/hint.hpp"

#include <string_view>

namespace zdm::run {

namespace {

constexpr std::string_view kCalls[] = {"zdm_resume", "zdm_rollback", "zdm_contract"};
constexpr std::string_view kOpen = "(...)";

}  // namespace

std::string with_name(const std::string& hint, const std::string& name) {
    std::string out;
    std::string_view rest = hint;
    while (!rest.empty()) {
        std::string_view call;
        for (const auto known : kCalls)
            if (rest.starts_with(known)) call = known;
        if (call.empty()) {
            out += rest.front();
            rest.remove_prefix(1);
            continue;
        }
        out += call;
        rest.remove_prefix(call.size());
        if (rest.starts_with(kOpen))
            rest.remove_prefix(kOpen.size());
        else if (rest.starts_with('('))
            continue;
        out += "(" + name + ")";
    }
    return out;
}

}  // namespace zdm::run
