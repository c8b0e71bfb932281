#include <algorithm>

#include "plan/text.hpp"
#include "run/usage.hpp"

namespace zdm::run {

namespace {

std::string ago(std::int64_t seconds) {
    seconds = std::max<std::int64_t>(seconds, 0);
    if (seconds < 120) return std::to_string(seconds) + " s ago";
    if (seconds < 120 * 60) return std::to_string(seconds / 60) + " min ago";
    if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h ago";
    return std::to_string(seconds / 86400) + " days ago";
}

// "phone", "one of phone, mail".
std::string one_of(const std::string& columns) {
    return (columns.find(',') == std::string::npos ? "" : "one of ") + columns;
}

std::string describe_write(const Finding& finding, std::int64_t now) {
    const std::string what = one_of(finding.object) + " of " + finding.relation;
    if (!finding.readable)
        return "nobody can tell whether applications wrote " + what + ": the evidence is gone";
    if (!finding.last_used) return "no application wrote " + what + " itself";
    return "an application wrote " + what + " itself " + ago(now - *finding.last_used);
}

std::string describe_session(const Finding& finding) {
    const bool one = finding.sessions == 1;
    return std::to_string(finding.sessions) + (one ? " session of " : " sessions of ") +
           (finding.used_by.empty() ? "an application without a name" : finding.used_by) +
           " (role " + finding.role + ")" + (one ? " is" : " are") + " connected and may use it";
}

std::string describe_rows(const Finding& finding) {
    const bool one = finding.rows == 1;
    const std::string head =
        std::to_string(finding.rows) + (one ? " row of " : " rows of ") + finding.relation;
    const std::string tail = ", for example " + finding.examples;
    if (finding.use == Use::misfit)
        return head + (one ? " violates " : " violate ") + finding.object +
               ", which comes back, and stop" + (one ? "s" : "") + " it there" + tail;
    return head + (one ? " has" : " have") + " other values in " + finding.object + " than " +
           finding.used_by + (plan::is_several(finding.used_by) ? " give" : " gives") +
           ", and lose" + (one ? "s" : "") + " them" + tail;
}

}  // namespace

std::string_view to_text(Use use) {
    switch (use) {
    case Use::write: return "write";
    case Use::dependency: return "dependency";
    case Use::session: return "session";
    case Use::loss: return "loss";
    case Use::misfit: return "misfit";
    case Use::unread: return "unread";
    }
    return "";
}

bool is_use(const Finding& finding) {
    return finding.use != Use::write || finding.last_used || !finding.readable;
}

std::string describe(const Finding& finding, std::int64_t now) {
    switch (finding.use) {
    case Use::write: return describe_write(finding, now);
    case Use::dependency:
        return finding.used_by + (finding.blocks ? " depends on " : " goes with ") + finding.object;
    case Use::session: return describe_session(finding);
    case Use::loss:
    case Use::misfit: return describe_rows(finding);
    case Use::unread:
        return "rows of " + finding.relation +
               " may not fit what comes back, and were not read: " + finding.examples;
    }
    return {};
}

std::optional<pg::Error> refusal(const std::string& migration,
                                 const std::vector<Finding>& findings) {
    std::string list;
    for (const auto& finding : findings) {
        if (!finding.blocks) continue;
        if (!list.empty()) list += "; ";
        list += describe(finding, 0);
    }
    if (list.empty()) return std::nullopt;
    std::string literal;
    for (const char c : migration) literal += c == '\'' ? std::string{"''"} : std::string{c};
    return pg::Error{
        pg::sqlstate("2BP01"),
        "ZD311: something depends on what a rollback of migration \"" + migration + "\" takes away",
        list + ". Nothing was changed.",
        "Change or drop that first, then roll back again; or leave what was made: "
        "zdm_rollback('" +
            literal + "', keep => true)."};
}

}  // namespace zdm::run
