// The program `zdm`: parses, then runs one command. Nothing is run before all of the line is
// understood.
#include <CLI/CLI.hpp>

#include <iostream>

#include "cli/commands.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

void add_globals(CLI::App& app, Context& context) {
    app.set_help_flag("-?,--help", "Show this help");
    app.set_version_flag("--version", "zdm " ZDM_VERSION, "Show the version");
    app.add_option("-h,--host", context.flags.host, "server host or socket folder")
        ->type_name("HOST");
    app.add_option("-p,--port", context.flags.port, "server port")->type_name("PORT");
    app.add_option("-U,--username", context.flags.user, "role to connect as")->type_name("ROLE");
    app.add_option("-d,--dbname", context.flags.database,
                   "database, connection string or postgresql:// URI")
        ->type_name("DB");
    app.add_flag("--json", context.json, "results and errors as JSON");
    app.add_option_function<std::string>(
           "--color",
           [&context](const std::string& when) {
               context.color = when == "always"  ? ColorMode::always
                               : when == "never" ? ColorMode::never
                                                 : ColorMode::automatic;
           },
           "auto, always or never (default: auto; NO_COLOR is respected)")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->type_name("WHEN");
    app.footer(
        "Connection: flags, then ZDM_DATABASE_URL, then DATABASE_URL, then PG* variables.\n"
        "Exit codes: 0 done or nothing to do, 1 failed, 2 usage or refused (nothing touched),\n"
        "4 gate refused, 5 busy, 6 cannot connect, 8 timeout elapsed (the server goes on),\n"
        "130 detached by Ctrl-C (the server goes on).");
}

void report(Console& console, const Failure& failure) {
    if (console.json())
        console.complain(dump(to_json(failure)));
    else
        console.complain(render_failure({console, true}, failure, {}, {}));
}

Exit run(const Context& context, Console& console) {
    try {
        Session session{context.flags, console};
        return context.action(session);
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

// The words of the parser about a wrong command line, in the shape of all other errors.
Exit refuse(const CLI::ParseError& error, bool json) {
    Console console{ColorMode::automatic, json};
    report(console, {Exit::usage, "ZD601", error.what(), "Nothing was touched.", "zdm --help"});
    return Exit::usage;
}

bool wants_json(int count, char** arguments) {
    for (int i = 1; i < count; ++i)
        if (std::string_view{arguments[i]} == "--json") return true;
    return false;
}

int main(int count, char** arguments) {
    Context context;
    CLI::App app{"zdm changes the schema of a PostgreSQL database while people use it.", "zdm"};
    add_globals(app, context);
    app.require_subcommand(1);
    app.fallthrough();
    for (auto* const add :
         {add_plan, add_up, add_status, add_watch, add_wait, add_pause, add_resume, add_set,
          add_contract, add_rollback, add_backfill, add_history, add_doctor, add_version})
        add(app, context);
    for (auto* const command : app.get_subcommands({})) command->fallthrough();
    try {
        app.parse(count, arguments);
    } catch (const CLI::Success& asked) {
        // Help or version: on stdout, as asked for.
        return app.exit(asked);
    } catch (const CLI::ParseError& error) {
        return code(refuse(error, wants_json(count, arguments)));
    }
    Console console{context.color, context.json};
    return code(run(context, console));
}

}  // namespace

}  // namespace zdm::cli

int main(int count, char** arguments) { return zdm::cli::main(count, arguments); }
