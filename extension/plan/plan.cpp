#include "plan/plan.hpp"

#include <array>
#include <utility>

namespace zdm::plan {

namespace {

template <typename Enum>
using Names = std::initializer_list<std::pair<Enum, std::string_view>>;

const Names<Phase> kPhases = {{Phase::expand, "expand"},
                              {Phase::migrate, "migrate"},
                              {Phase::switch_, "switch"},
                              {Phase::contract, "contract"}};

const Names<StepKind> kKinds = {{StepKind::ddl, "ddl"},
                                {StepKind::sync, "sync"},
                                {StepKind::unsync, "unsync"},
                                {StepKind::backfill, "backfill"},
                                {StepKind::delete_rows, "delete"},
                                {StepKind::insert, "insert"},
                                {StepKind::last_pass, "last_pass"},
                                {StepKind::analyze, "analyze"},
                                {StepKind::index, "index"},
                                {StepKind::drop_index, "drop_index"},
                                {StepKind::gate, "gate"},
                                {StepKind::verify, "verify"},
                                {StepKind::count, "count"},
                                {StepKind::constraint, "constraint"},
                                {StepKind::validate, "validate"},
                                {StepKind::attach, "attach"},
                                {StepKind::whole_index, "whole_index"}};

const Names<LockMode> kLocks = {{LockMode::none, ""},
                                {LockMode::access_share, "ACCESS SHARE"},
                                {LockMode::row_share, "ROW SHARE"},
                                {LockMode::row_exclusive, "ROW EXCLUSIVE"},
                                {LockMode::share_update_exclusive, "SHARE UPDATE EXCLUSIVE"},
                                {LockMode::share, "SHARE"},
                                {LockMode::share_row_exclusive, "SHARE ROW EXCLUSIVE"},
                                {LockMode::exclusive, "EXCLUSIVE"},
                                {LockMode::access_exclusive, "ACCESS EXCLUSIVE"}};

template <typename Enum>
std::string_view name_of(const Names<Enum>& names, Enum value) {
    for (const auto& [known, name] : names)
        if (known == value) return name;
    return "?";
}

template <typename Enum>
std::optional<Enum> value_of(const Names<Enum>& names, std::string_view text) {
    for (const auto& [value, name] : names)
        if (name == text) return value;
    return std::nullopt;
}

constexpr unsigned bit(LockMode mode) { return 1U << static_cast<unsigned>(mode); }

constexpr unsigned bits_from(LockMode weakest) {
    unsigned bits = 0;
    for (unsigned m = static_cast<unsigned>(weakest); m <= 8; ++m) bits |= 1U << m;
    return bits;
}

// PostgreSQL documentation, "Explicit Locking", table "Conflicting Lock Modes".
constexpr std::array<unsigned, 9> kConflicts = {
    0,
    bit(LockMode::access_exclusive),
    bit(LockMode::exclusive) | bit(LockMode::access_exclusive),
    bits_from(LockMode::share),
    bits_from(LockMode::share_update_exclusive),
    bit(LockMode::row_exclusive) | bit(LockMode::share_update_exclusive) |
        bits_from(LockMode::share_row_exclusive),
    bit(LockMode::row_exclusive) | bits_from(LockMode::share_update_exclusive),
    bits_from(LockMode::row_share),
    bits_from(LockMode::access_share),
};

}  // namespace

std::string_view to_text(Phase phase) { return name_of(kPhases, phase); }
std::string_view to_text(StepKind kind) { return name_of(kKinds, kind); }
std::string_view to_text(LockMode mode) { return name_of(kLocks, mode); }
std::optional<Phase> phase_from(std::string_view text) { return value_of(kPhases, text); }
std::optional<StepKind> kind_from(std::string_view text) { return value_of(kKinds, text); }
std::optional<LockMode> lock_from(std::string_view text) { return value_of(kLocks, text); }

bool conflicts(LockMode a, LockMode b) {
    return (kConflicts[static_cast<std::size_t>(a)] & bit(b)) != 0;
}

bool Undo::operator==(const Undo& other) const {
    return kind == other.kind && command == other.command;
}

std::string sql_of(const Undo& part) {
    if (part.kind == StepKind::count) return {};
    return part.command + (part.command.ends_with(';') ? "" : ";");
}

std::string undo_sql(const Step& step) {
    std::string text;
    for (const auto& part : step.undo) {
        const std::string sql = sql_of(part);
        if (!text.empty() && !sql.empty()) text += " ";
        text += sql;
    }
    return text;
}

bool Step::operator==(const Step& other) const {
    return phase == other.phase && kind == other.kind && relation == other.relation &&
           command == other.command && undo == other.undo && removal == other.removal;
}

std::string summary(const Plan& plan) {
    std::string text;
    for (const auto& step : plan.steps) {
        text += to_text(step.phase);
        text += " ";
        text += to_text(step.kind);
        text += ": ";
        text += step.command;
        text += "\n";
    }
    return text;
}

}  // namespace zdm::plan
