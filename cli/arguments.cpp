#include "cli/arguments.hpp"

#include <memory>

#include <CLI/CLI.hpp>

#include "cli/failure.hpp"
#include "cli/quantity.hpp"

namespace zdm::cli {

namespace {

constexpr auto kExitCodes =
    "Exit codes: 0 done or nothing to do, 1 failed, 2 usage or refused (nothing touched),\n"
    "4 gate refused, 5 busy, 6 cannot connect, 8 timeout elapsed (the server goes on),\n"
    "130 detached by Ctrl-C (the server goes on).";

class ParsedCommand : public Command {
public:
    explicit ParsedCommand(CLI::App& app) : app_(app) {}

    void required(const std::string& name, std::string& value, const std::string& help) override {
        last_ = app_.add_option(name, value, help)->required()->type_name("");
    }
    void optional(const std::string& name, std::string& value, const std::string& help) override {
        last_ = app_.add_option(name, value, help)->type_name("");
    }
    void among(const std::vector<std::string>& values) override {
        check([values](const std::string& text) -> std::string {
            std::string known;
            for (const auto& value : values) {
                if (text == value) return {};
                known += (known.empty() ? "" : ", ") + value;
            }
            return "\"" + text + "\" is none of: " + known;
        });
    }
    void check(const Check& check) override { last_->check(check); }
    void must() override { last_->required(); }
    void text(const std::string& name, std::optional<std::string>& value, const std::string& type,
              const std::string& help) override {
        last_ = app_.add_option(name, value, help)->type_name(type);
    }
    void text(const std::string& name, std::string& value, const std::string& type,
              const std::string& help) override {
        last_ = app_.add_option(name, value, help)->type_name(type);
    }
    void time(const std::string& name, std::optional<Milliseconds>& value,
              const std::string& help) override {
        last_ = app_.add_option_function<std::string>(
                        name, [&value](const std::string& given) { value = parse_duration(given); },
                        help + ", e.g. 500ms, 30s, 10m, 2h")
                    ->type_name("TIME");
        check([](const std::string& given) {
            return parse_duration(given)
                       ? std::string{}
                       : "\"" + given + "\" is no time: write 500ms, 30s, 10m or 2h";
        });
    }
    void flag(const std::string& name, bool& value, const std::string& help) override {
        last_ = app_.add_flag(name, value, help);
    }

private:
    CLI::App& app_;
    CLI::Option* last_ = nullptr;
};

// CLI11's own, but with a usage line that its versions agree on.
class Help : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App* app, std::string name) const override {
        std::string usage = "\nUsage: " + name + " [OPTIONS]";
        for (const auto* option :
             app->get_options([](const CLI::Option* o) { return o->get_positional(); }))
            usage += " " + make_option_usage(option);
        if (!app->get_subcommands([](const CLI::App*) { return true; }).empty())
            usage += " COMMAND";
        return usage + "\n";
    }
};

void add_globals(CLI::App& app, Parsed& parsed) {
    app.set_help_flag("-?,--help", "Show this help");
    app.set_version_flag("--version", "zdm " ZDM_VERSION, "Show the version");
    ParsedCommand all{app};
    all.text("-h,--host", parsed.flags.host, "HOST", "server host or socket folder");
    all.text("-p,--port", parsed.flags.port, "PORT", "server port");
    all.text("-U,--username", parsed.flags.user, "ROLE", "role to connect as");
    all.text("-d,--dbname", parsed.flags.database, "DB",
             "database, connection string or postgresql:// URI");
    all.flag("--json", parsed.json, "results and errors as JSON");
    app.add_option_function<std::string>(
           "--color",
           [&parsed](const std::string& when) {
               parsed.color = when == "always"  ? ColorMode::always
                              : when == "never" ? ColorMode::never
                                                : ColorMode::automatic;
           },
           "auto, always or never (default: auto; NO_COLOR is respected)")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->type_name("WHEN");
    app.footer(
        "Connection: flags, then ZDM_DATABASE_URL, then DATABASE_URL, then PG* variables.\n" +
        std::string{kExitCodes});
}

// The line may be wrong before --json was understood.
bool wants_json(int count, char** arguments) {
    for (int i = 1; i < count; ++i)
        if (std::string_view{arguments[i]} == "--json") return true;
    return false;
}

}  // namespace

void report(Console& console, const Failure& failure) {
    if (console.json())
        console.complain(dump(to_json(failure)));
    else
        console.complain(render_failure({console, true}, failure, {}, {}));
}

Parsed parse(int count, char** arguments, const std::vector<Definition>& commands) {
    Parsed parsed;
    CLI::App app{"zdm changes the schema of a PostgreSQL database while people use it.", "zdm"};
    app.formatter(std::make_shared<Help>());
    add_globals(app, parsed);
    app.require_subcommand(1);
    for (const auto& definition : commands) {
        auto* const sub = app.add_subcommand(definition.name, definition.help);
        ParsedCommand command{*sub};
        definition.declare(command);
        // -d and the like may stand before or behind the command.
        sub->fallthrough();
        sub->footer("Connection and output (-h, -p, -U, -d, --json, --color): zdm --help\n" +
                    std::string{kExitCodes});
    }
    try {
        app.parse(count, arguments);
    } catch (const CLI::Success& asked) {
        app.exit(asked);
        return parsed;
    } catch (const CLI::ParseError& error) {
        Console console{ColorMode::automatic, wants_json(count, arguments)};
        const auto used = app.get_subcommands();
        const auto left = app.remaining();
        report(console,
               {Exit::usage, "ZD601",
                used.empty() && !left.empty() ? "there is no command \"" + left.front() + "\""
                                              : error.what(),
                "Nothing was touched.",
                "zdm " + (used.empty() ? "" : used.front()->get_name() + " ") + "--help"});
        parsed.exit = Exit::usage;
        return parsed;
    }
    for (const auto& definition : commands)
        if (app.got_subcommand(definition.name)) parsed.run = definition.run;
    return parsed;
}

}  // namespace zdm::cli
