// The words of a command line, as commands declare them. CLI11 stays behind this door: it costs
// five seconds of compiler time wherever it is included.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/session.hpp"

namespace zdm::cli {

// One command while it is declared. Values are read while parsing, and refused there.
class Command {
public:
    using Check = std::function<std::string(const std::string&)>;  // what is wrong, or empty

    virtual ~Command() = default;
    virtual void required(const std::string& name, std::string& value, const std::string& help) = 0;
    virtual void optional(const std::string& name, std::string& value, const std::string& help) = 0;
    // The positional or option declared last takes only these values.
    virtual void among(const std::vector<std::string>& values) = 0;
    virtual void check(const Check& check) = 0;
    virtual void must() = 0;  // the option declared last has to be given
    virtual void text(const std::string& name, std::optional<std::string>& value,
                      const std::string& type, const std::string& help) = 0;
    virtual void text(const std::string& name, std::string& value, const std::string& type,
                      const std::string& help) = 0;
    // A time with its unit: 500ms, 30s, 10m, 2h.
    virtual void time(const std::string& name, std::optional<std::chrono::milliseconds>& value,
                      const std::string& help) = 0;
    virtual void flag(const std::string& name, bool& value, const std::string& help) = 0;
};

// Options, wiring, run: `declare` names the options, `run` is called when all of the line was
// understood.
struct Definition {
    std::string name;
    std::string help;
    std::function<void(Command&)> declare;
    std::function<Exit(Session&)> run;
};

// The definition of a command with options of its own type.
template <typename Options>
Definition define(std::string name, std::string help, void (*declare)(Command&, Options&),
                  Exit (*run)(const Options&, Session&)) {
    auto options = std::make_shared<Options>();
    return {std::move(name), std::move(help),
            [options, declare](Command& command) { declare(command, *options); },
            [options, run](Session& session) { return run(*options, session); }};
}

// What a command line asks for. Without `run` there is nothing left to do but end with `exit`: help
// was shown, or the line was refused.
struct Parsed {
    ConnectionFlags flags;
    bool json = false;
    ColorMode color = ColorMode::automatic;
    std::function<Exit(Session&)> run;
    Exit exit = Exit::done;
};

Parsed parse(int count, char** arguments, const std::vector<Definition>& commands);

// An error in the shape that all have, as text or as JSON.
void report(Console& console, const Failure& failure);

}  // namespace zdm::cli
