// What the program's exit code tells a script. docs/cli.md has the same table, and a test for each.
#pragma once

namespace zdm::cli {

enum class Exit : int {
    done = 0,           // done, at the state asked for, or nothing to do
    failed = 1,         // the migration failed, or was rolled back by somebody
    usage = 2,          // usage, configuration or refused input: nothing was touched
    gate = 4,           // the gate refused contract
    busy = 5,           // another migration owns the relations
    no_connection = 6,  // no connection, or lost for good
    timeout = 8,        // the time given is over, the server goes on
    detached = 130,     // Ctrl-C: the server goes on
};

constexpr int code(Exit exit) { return static_cast<int>(exit); }

}  // namespace zdm::cli
