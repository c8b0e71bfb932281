// All commands: each adds its options to the program, and leaves in the context what to run.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/session.hpp"

namespace zdm::cli {

void add_plan(CLI::App& app, Context& context);
void add_up(CLI::App& app, Context& context);
void add_status(CLI::App& app, Context& context);
void add_watch(CLI::App& app, Context& context);
void add_wait(CLI::App& app, Context& context);
void add_pause(CLI::App& app, Context& context);
void add_resume(CLI::App& app, Context& context);
void add_set(CLI::App& app, Context& context);
void add_contract(CLI::App& app, Context& context);
void add_rollback(CLI::App& app, Context& context);
void add_backfill(CLI::App& app, Context& context);
void add_history(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_version(CLI::App& app, Context& context);

}  // namespace zdm::cli
