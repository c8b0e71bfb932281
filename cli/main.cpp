// The program `zdm`: parses, then runs one command. Nothing is run before all of the line is
// understood.
#include <exception>

#include "cli/commands.hpp"
#include "cli/failure.hpp"

using namespace zdm::cli;

namespace {

Exit run(const Parsed& parsed, Console& console) {
    try {
        Session session{parsed.flags, console};
        return parsed.run(session);
    } catch (const Failure& failure) {
        report(console, failure);
        return failure.exit;
    } catch (const std::exception& error) {
        report(console, {Exit::failed,
                         "ZD999",
                         std::string{"internal error: "} + error.what(),
                         {},
                         "This is a bug in zdm; please report it with the command that you ran."});
        return Exit::failed;
    }
}

}  // namespace

int main(int count, char** arguments) {
    const auto parsed =
        parse(count, arguments,
              {plan_command(), up_command(), status_command(), watch_command(), wait_command(),
               pause_command(), resume_command(), set_command(), switch_command(),
               contract_command(), rollback_command(), backfill_command(), history_command(),
               doctor_command(), version_command()});
    if (!parsed.run) return code(parsed.exit);
    Console console{parsed.color, parsed.json};
    return code(run(parsed, console));
}
