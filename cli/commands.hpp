// All commands, in the order in which the help lists them.
#pragma once

#include "cli/arguments.hpp"

namespace zdm::cli {

Definition plan_command();
Definition up_command();
Definition status_command();
Definition watch_command();
Definition wait_command();
Definition pause_command();
Definition resume_command();
Definition set_command();
Definition switch_command();
Definition verify_command();
Definition contract_command();
Definition rollback_command();
Definition backfill_command();
Definition history_command();
Definition doctor_command();
Definition version_command();

}  // namespace zdm::cli
