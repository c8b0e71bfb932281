// zdm version: of this program alone; doctor tells the server's.
#include "cli/commands.hpp"

namespace zdm::cli {

void add_version(CLI::App& app, Context& context) {
    auto* const command = app.add_subcommand("version", "Show the version of this program");
    command->callback([&context] {
        context.action = [](Session& session) {
            auto& console = session.console();
            if (console.json())
                console.result(dump({{"schema", "zdm.version/1"}, {"version", ZDM_VERSION}}));
            else
                console.result("zdm " ZDM_VERSION);
            return Exit::done;
        };
    });
}

}  // namespace zdm::cli
