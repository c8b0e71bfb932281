#include "catalog/undo.hpp"

#include "pg/door.hpp"

namespace zdm::catalog {

namespace {

plan::Undo part_from(const pg::Row& row) {
    plan::Undo part;
    part.kind = plan::kind_from(row.text(2)).value_or(plan::StepKind::ddl);
    part.command = row.text(3);
    return part;
}

}  // namespace

std::vector<std::string> keys_of(const TextMap& map) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : map) keys.push_back(key);
    return keys;
}

std::vector<std::string> values_of(const TextMap& map) {
    std::vector<std::string> values;
    for (const auto& [key, value] : map) values.push_back(value);
    return values;
}

std::string lock_lines(const std::vector<plan::LockNeed>& locks) {
    std::string text;
    for (const auto& need : locks) {
        text += plan::to_text(need.mode);
        text += "\t" + need.relation + "\n";
    }
    return text;
}

std::vector<plan::LockNeed> locks_from(const std::string& text) {
    std::vector<plan::LockNeed> locks;
    std::size_t start = 0;
    while (start < text.size()) {
        const std::size_t tab = text.find('\t', start);
        const std::size_t end = text.find('\n', tab);
        if (tab == std::string::npos || end == std::string::npos) break;
        const auto mode = plan::lock_from(text.substr(start, tab - start));
        locks.push_back(
            {text.substr(tab + 1, end - tab - 1), mode.value_or(plan::LockMode::access_exclusive)});
        start = end + 1;
    }
    return locks;
}

void insert_undo(pg::Spi& spi, std::int64_t id, std::int64_t step,
                 const std::vector<plan::Undo>& parts) {
    std::int64_t number = 0;
    for (const auto& part : parts) {
        TextMap parameters = part.parameters;
        parameters["locks"] = lock_lines(part.locks);
        spi.run(
            "INSERT INTO zdm.undo (migration_id, step, part, kind, command, parameters)"
            " VALUES ($1, $2, $3, $4, $5, jsonb_object($6, $7))",
            {id, step, ++number, std::string{plan::to_text(part.kind)}, part.command,
             keys_of(parameters), values_of(parameters)});
    }
}

void load_undo(pg::Spi& spi, std::int64_t id, std::vector<StoredStep>& steps) {
    const auto parts = spi.run(
        "SELECT step, part, kind, command, state FROM zdm.undo WHERE migration_id = $1"
        " ORDER BY step, part",
        {id}, true);
    const auto parameters = spi.run(
        "SELECT u.step, u.part, p.key, p.value FROM zdm.undo u, jsonb_each_text(u.parameters) p"
        " WHERE u.migration_id = $1",
        {id}, true);
    const auto at = [&](std::int64_t number) -> StoredStep& {
        return steps.at(static_cast<std::size_t>(number) - 1);
    };
    for (const auto& row : parts.rows) {
        at(row.number(0)).step.undo.push_back(part_from(row));
        at(row.number(0)).undo.push_back(step_state_from(row.text(4)).value_or(StepState::pending));
    }
    for (const auto& row : parameters.rows) {
        auto& part = at(row.number(0)).step.undo.at(static_cast<std::size_t>(row.number(1)) - 1);
        if (row.text(2) == "locks")
            part.locks = locks_from(row.text(3));
        else
            part.parameters[row.text(2)] = row.text(3);
    }
}

void set_undo(std::int64_t id, int step, int part, StepState state) {
    const pg::Door door;
    pg::Spi spi;
    spi.run("UPDATE zdm.undo SET state = $4 WHERE migration_id = $1 AND step = $2 AND part = $3",
            {id, static_cast<std::int64_t>(step), static_cast<std::int64_t>(part),
             std::string{to_text(state)}});
    const bool open = spi.run(
                             "SELECT 1 FROM zdm.undo WHERE migration_id = $1 AND step = $2"
                             "   AND state <> 'done'",
                             {id, static_cast<std::int64_t>(step)})
                          .processed > 0;
    spi.finish();
    if (!open) set_step(id, step, StepState::undone);
}

}  // namespace zdm::catalog
