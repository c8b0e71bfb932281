#include "run/differences.hpp"

#include "plan/text.hpp"

namespace zdm::run {

namespace {

std::string counted(const Differences& differences) {
    const bool one = differences.rows == 1;
    return std::to_string(differences.rows) + (one ? " row of " : " rows of ") +
           differences.relation + (one ? " differs" : " differ") + ": " + differences.news +
           (plan::is_several(differences.news) ? " are" : " is") + " not what " + differences.olds +
           (plan::is_several(differences.olds) ? " give" : " gives");
}

std::string named(const Differences& differences) {
    std::string text;
    for (const auto& example : differences.examples) text += (text.empty() ? "" : "; ") + example;
    return text;
}

}  // namespace

std::string describe(const Differences& differences) {
    return counted(differences) + ", for example " + named(differences);
}

pg::Error refusal(const std::string& name, const Differences& differences) {
    return pg::Error{pg::state::kNotInPrerequisiteState, "ZD210: " + counted(differences),
                     "For example: " + named(differences) + ". Nothing was removed.",
                     "SELECT * FROM zdm_verify(" + name +
                         ") shows them. Correct the rows, then call zdm_resume(" + name +
                         "); if what " + differences.news +
                         " says is right, let the old values go: zdm_contract(" + name +
                         ", accept_differences => true); or call zdm_rollback(" + name + ")."};
}

}  // namespace zdm::run
