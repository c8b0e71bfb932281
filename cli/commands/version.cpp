// zdm version: of this program alone; doctor tells the server's.
#include "cli/commands.hpp"

namespace zdm::cli {

namespace {

struct VersionOptions {};

Exit run_version(const VersionOptions&, Session& session) {
    auto& console = session.console();
    if (console.json())
        console.result(dump({{"schema", "zdm.version/1"}, {"version", ZDM_VERSION}}));
    else
        console.result("zdm " ZDM_VERSION);
    return Exit::done;
}

void declare(Command&, VersionOptions&) {}

}  // namespace

Definition version_command() {
    return define<VersionOptions>("version", "Show the version of this program", declare,
                                  run_version);
}

}  // namespace zdm::cli
