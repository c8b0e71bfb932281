// zdm plan FILE: what would happen, without touching anything.
#include "cli/commands.hpp"
#include "cli/quantity.hpp"
#include "cli/failure.hpp"
#include "cli/migration_file.hpp"

namespace zdm::cli {

namespace {

struct PlanOptions {
    std::string file;
};

Exit run_plan(const PlanOptions& options, Session& session) {
    const auto file = read_migration(options.file);
    auto& console = session.console();
    std::vector<Step> steps;
    auto& client = session.client();
    try {
        for (const auto& row :
             client.query("SELECT * FROM " + client.function("zdm_plan") + "($1)", {file.sql}))
            steps.push_back(planned_step_from(row));
    } catch (const Failure& refusal) {
        if (console.json()) throw;
        console.complain(render_failure(session.err(), refusal, file.path.string(), file.sql));
        return refusal.exit;
    }
    if (console.json()) {
        Json no_return = nullptr;
        for (const auto& step : steps)
            if (step.removal && no_return.is_null()) no_return = step.step;
        console.result(dump({{"schema", "zdm.plan/1"},
                             {"target", to_json(client.target())},
                             {"name", file.name},
                             {"steps", to_json(steps)},
                             {"notes", session.notices()},
                             {"point_of_no_return", no_return}}));
    } else {
        console.narrate("target: " + client.target().text());
        console.result(render_plan(session.out(), file.name, steps));
        console.narrate("Nothing was changed. Run it: zdm up " + shell_word(options.file));
    }
    return Exit::done;
}

void declare(Command& command, PlanOptions& options) {
    command.required("FILE", options.file, "a .sql file");
}

}  // namespace

Definition plan_command() {
    return define<PlanOptions>("plan", "Show what a migration would do; changes nothing", declare,
                               run_plan);
}

}  // namespace zdm::cli
