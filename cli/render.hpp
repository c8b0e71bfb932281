// Plans, states, progress and failures as text for people. Pure: all it needs is given.
#pragma once

#include <string>
#include <vector>

#include "cli/console.hpp"
#include "cli/failure.hpp"
#include "cli/model.hpp"

namespace zdm::cli {

// How text is dressed: symbols and colours of the stream that it goes to.
struct Dress {
    const Console& console;
    bool to_stderr = false;

    std::string paint(Style style, std::string_view text) const {
        return to_stderr ? console.err(style, text) : console.out(style, text);
    }
    std::string_view symbol(std::string_view unicode, std::string_view ascii) const {
        return console.symbol(unicode, ascii);
    }
};

// Rows of cells as aligned columns, two blanks apart; the first row is the head.
std::string table(const std::vector<std::vector<std::string>>& rows);

// A whole plan: steps by phase, the point of no return, what contract waits for.
std::string render_plan(const Dress& dress, const std::string& name,
                        const std::vector<Step>& steps);

// One line for a step that goes on or has ended, e.g. "ok    4/9 migrate backfill public.users".
std::string render_step(const Dress& dress, const Step& step, std::int64_t steps);

// The state of one migration in some lines, with what comes next.
std::string render_migration(const Dress& dress, const Migration& migration,
                             const std::vector<Step>& steps, const std::vector<Progress>& progress,
                             const std::vector<Signal>& pressure = {});

// All migrations, a line each.
std::string render_list(const Dress& dress, const std::vector<Migration>& migrations);

// Why it failed, what was done and what was not.
std::string render_failed(const Dress& dress, const Migration& migration,
                          const std::vector<Step>& steps);

// How far a step is, in words: "61.2 %, 612,000 of about 1,000,000 rows, …".
std::string progress_words(const Progress& progress);

// The same as a bar, `width` columns in all.
std::string progress_bar(const Dress& dress, const Progress& progress, int width);

// What a migration is about at this moment, in words; empty when there is nothing to say.
std::string doing_words(const Migration& migration);

// What holds a backfill back now, a line for each signal that is tripped, with for how long.
std::vector<std::string> trip_words(const std::vector<Signal>& pressure);

// The command that goes on from here; empty when nothing is left to do.
std::string next_words(const Migration& migration);

// An error: message with code, the line of the file with a caret, detail, hint. `sql` and `file`
// may be empty.
std::string render_failure(const Dress& dress, const Failure& failure, const std::string& file,
                           const std::string& sql);

}  // namespace zdm::cli
