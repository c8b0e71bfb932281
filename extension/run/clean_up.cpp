#include "run/clean_up.hpp"

#include "run/machine.hpp"

namespace zdm::run {

namespace {

// A lock that nobody who reads or writes queues behind.
bool is_patient(plan::StepKind kind) {
    return kind == plan::StepKind::index || kind == plan::StepKind::drop_index ||
           kind == plan::StepKind::validate;
}

bool is_transaction(const plan::Undo& part) {
    const auto statements = part.parameters.find("statements");
    return statements != part.parameters.end() && statements->second != "1";
}

void add_part(std::string& sql, const plan::Undo& part, StepState state) {
    // What an interrupted build left is invalid.
    if (part.kind == plan::StepKind::index && state == StepState::running)
        sql += "DROP INDEX CONCURRENTLY IF EXISTS " + part.parameters.at("index") + ";\n";
    const std::string text = sql_of(part);
    sql += (is_transaction(part) ? "BEGIN; " + text + " COMMIT;" : text) + "\n";
}

}  // namespace

std::string clean_up_sql(const std::vector<catalog::StoredStep>& steps,
                         std::chrono::milliseconds deadline) {
    const std::string timeout = "'" + std::to_string(deadline.count()) + "ms'";
    std::string sql;
    std::string set = "0";
    for (auto stored = steps.rbegin(); stored != steps.rend(); ++stored) {
        const auto first = open_part(stored->step.kind, stored->state, stored->undo);
        if (!first) continue;
        for (std::size_t i = *first; i < stored->step.undo.size(); ++i) {
            const plan::Undo& part = stored->step.undo[i];
            if (part.kind == plan::StepKind::count) continue;
            const std::string wanted = is_patient(part.kind) ? "0" : timeout;
            if (wanted != set) sql += "SET lock_timeout = " + wanted + ";\n";
            set = wanted;
            add_part(sql, part, stored->undo[i]);
        }
    }
    return sql;
}

}  // namespace zdm::run
