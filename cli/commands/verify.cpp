// zdm verify NAME: whether old and new columns agree, read in short statements, a range of pages
// each.
#include <fmt/format.h>

#include <charconv>

#include "cli/commands.hpp"
#include "cli/commands/common.hpp"
#include "cli/differences.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

struct VerifyOptions {
    std::string name;
    std::string examples = "20";
    bool going_back = false;
    std::optional<Milliseconds> timeout;
};

std::string not_examples(const std::string& text) {
    int number = 0;
    const auto end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec == std::errc{} && read.ptr == end && number >= 1 && number <= 1000) return {};
    return "a number from 1 to 1000 is wanted";
}

enum class End { finished, detached, timeout };

End read_table(Session& session, const VerifyOptions& options, const Deadline& deadline,
               Compared& table) {
    auto& client = session.client();
    const auto sql = fmt::format(
        "SELECT v.relation, v.differences, v.place, v.key, v.old_values, v.new_values,"
        " v.table_pages FROM {}($1, $2::bigint, $3::regclass, $4::bigint, $5::bigint,"
        " $6::boolean) v",
        client.function("zdm_verify"));
    const auto most = static_cast<std::size_t>(std::stoi(options.examples));
    std::int64_t first = 0;
    std::int64_t pages = 256;
    do {
        if (Interrupts::asked()) return End::detached;
        if (is_over(deadline)) return End::timeout;
        const auto began = Clock::now();
        session.surviving(deadline, [&] {
            table.add(client.query(sql, {options.name, options.examples, table.relation,
                                         fmt::format("{}", first), fmt::format("{}", pages),
                                         options.going_back ? "t" : "f"}),
                      most);
        });
        first += pages;
        pages = next_pages(pages, std::chrono::duration<double>(Clock::now() - began).count());
        session.console().draw({fmt::format(
            "verify {}  {} %", table.relation,
            table.pages == 0 ? 100 : std::min<std::int64_t>(100, 100 * first / table.pages))});
    } while (first < table.pages);
    return End::finished;
}

// `complete`: all rows were compared.
Exit finish(Session& session, const VerifyOptions& options, const std::vector<Compared>& tables,
            bool complete) {
    auto& console = session.console();
    const auto found = differences_in(tables) == 0 ? Exit::done : Exit::failed;
    const auto exit = complete ? found : Exit::timeout;
    if (console.json()) {
        console.result(dump({{"schema", "zdm.verify/1"},
                             {"target", to_json(session.client().target())},
                             {"name", options.name},
                             {"going_back", options.going_back},
                             {"complete", complete},
                             {"differences", differences_in(tables)},
                             {"tables", to_json(tables)},
                             {"exit_code", code(exit)}}));
        return exit;
    }
    if (!complete) return exit;
    console.result(tables.empty() ? "Nothing to compare: no column that goes is carried over to "
                                    "another."
                                  : render_differences(tables, options.going_back));
    if (exit == Exit::failed && !options.going_back)
        console.narrate(
            fmt::format("contract stops while they differ. Next: correct them; or, if the new "
                        "values are right: "
                        "zdm contract {} --accept-differences",
                        shell_word(options.name)));
    return exit;
}

Exit run_verify(const VerifyOptions& options, Session& session) {
    const auto m = session.migration(options.name);
    const auto deadline = deadline_in(options.timeout);
    std::vector<Compared> tables;
    // A page of each tells which tables there are, and whether it is the time for it.
    for (const auto& row : session.client().query(
             fmt::format("SELECT DISTINCT v.relation FROM {}($1, 1, NULL, 0, 1, $2::boolean) v"
                         " ORDER BY 1",
                         session.client().function("zdm_verify")),
             {m.name, options.going_back ? "t" : "f"}))
        tables.push_back({row.text("relation"), 0, 0, {}});
    const Interrupts interrupts;
    for (auto& table : tables) {
        const auto end = read_table(session, options, deadline, table);
        session.console().draw({});
        if (end == End::finished) continue;
        session.console().narrate("Stopped before all rows of " + table.relation +
                                  " were compared; nothing was changed.");
        return end == End::timeout ? finish(session, options, tables, false) : Exit::detached;
    }
    return finish(session, options, tables, true);
}

void declare(Command& command, VerifyOptions& options) {
    command.required("NAME", options.name, "a migration");
    command.text("--examples", options.examples, "N", "rows to show of each table (default: 20)");
    command.check(not_examples);
    command.flag("--going-back", options.going_back,
                 "look for rows of which a rollback loses new values, or which stop it");
    command.time("--timeout", options.timeout, "stop reading after this time (exit 8)");
}

}  // namespace

Definition verify_command() {
    return define<VerifyOptions>(
        "verify", "Compare old and new columns in all rows, from ready on (exit 1: some differ)",
        declare, run_verify);
}

}  // namespace zdm::cli
