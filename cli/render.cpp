#include "cli/render.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/migration_file.hpp"
#include "cli/quantity.hpp"
#include "cli/server_error.hpp"

namespace zdm::cli {

namespace {

int columns_of(std::string_view text) {
    return static_cast<int>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(std::string text, int columns) {
    text.append(static_cast<std::size_t>(std::max(0, columns - columns_of(text))), ' ');
    return text;
}

// Each line of a text behind the same blanks.
std::string indented(std::string_view text, int blanks) {
    const std::string margin(static_cast<std::size_t>(blanks), ' ');
    std::string out;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        out += line.empty() ? "\n" : margin + std::string{line} + "\n";
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return out;
}

std::string first_line(std::string_view text) {
    const auto end = text.find('\n');
    if (end == text.npos) return std::string{text};
    return std::string{text.substr(0, end)} + " ...";
}

// A word beside each symbol says the same: neither symbols nor colours alone carry a meaning.
struct Mark {
    std::string_view symbol;
    std::string_view word;
    Style style;
};

Mark mark_of(const Step& step) {
    if (step.removal) return {"!", "removes", Style::bad};
    const std::string_view kind = step.kind;
    if (kind == "gate") return {"?", "gate", Style::warning};
    if (kind == "backfill" || kind == "insert" || kind == "delete")
        return {"~", "changes rows", Style::plain};
    if (kind == "verify" || kind == "count" || kind == "last_pass" || kind == "validate" ||
        kind == "analyze" || kind == "whole_index")
        return {"=", "checks", Style::plain};
    if (kind == "unsync" || kind == "drop_index") return {"-", "drops", Style::plain};
    if (step.phase == "switch") return {"*", "switches", Style::strong};
    if (step.phase == "contract") return {"=", "enforces", Style::plain};
    return {"+", "adds", Style::good};
}

std::string cost_words(const Step& step) {
    std::vector<std::string> words;
    if (!step.lock.empty()) words.push_back("lock " + step.lock);
    if (step.rewrites) words.emplace_back("rewrites the table");
    if (step.scans) words.emplace_back("reads the whole table");
    if (step.rows) {
        auto rows = "about " + show_count(*step.rows) + (*step.rows == 1 ? " row" : " rows");
        if (step.bytes) rows += " (" + show_bytes(*step.bytes) + ")";
        words.push_back(rows);
    }
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string state_word(const Dress& dress, const Step& step) {
    if (step.state == "done") return dress.paint(Style::good, dress.symbol("\u2713", "ok"));
    if (step.state == "running") return dress.paint(Style::strong, dress.symbol("\u25b8", ">"));
    if (step.state == "undone") return dress.paint(Style::faint, dress.symbol("\u21ba", "<"));
    if (step.state == "skipped") return dress.paint(Style::faint, "-");
    return " ";
}

std::string no_return_words(const std::vector<Step>& steps, bool stored) {
    const auto removal =
        std::find_if(steps.begin(), steps.end(), [](const Step& s) { return s.removal; });
    if (removal == steps.end())
        return "No step removes anything: zdm rollback works until it is done.";
    if (stored && removal->state != "pending")
        return fmt::format("Step {} has removed what was there: there is no way back.",
                           removal->step);
    return fmt::format("Point of no return: step {} ({}). Until then zdm rollback works.",
                       removal->step, removal->phase);
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<int> widths;
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths.size() <= i) widths.push_back(0);
            widths[i] = std::max(widths[i], columns_of(row[i]));
        }
    std::string out;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += i + 1 == row.size() ? row[i] : padded(row[i], widths[i] + 2);
        while (!line.empty() && line.back() == ' ') line.pop_back();
        out += line + "\n";
    }
    return out;
}

std::string render_plan(const Dress& dress, const std::string& name,
                        const std::vector<Step>& steps) {
    auto out = fmt::format("{}: {} {}\n", dress.paint(Style::strong, name), steps.size(),
                           steps.size() == 1 ? "step" : "steps");
    std::string phase;
    bool beyond = false;
    for (const auto& step : steps) {
        if (step.phase != phase) out += "\n" + dress.paint(Style::strong, step.phase) + "\n";
        phase = step.phase;
        if (step.removal && !beyond) {
            beyond = true;
            out += dress.paint(Style::bad,
                               "  ---- point of no return: from here on zdm rollback is "
                               "not possible any more ----") +
                   "\n";
        }
        const auto mark = mark_of(step);
        auto head = fmt::format("{:>3} {} {}", step.step, dress.paint(mark.style, mark.symbol),
                                padded(std::string{mark.word}, 12));
        head += " " + padded(step.kind, 10) + (step.relation.empty() ? "" : " " + step.relation);
        while (head.back() == ' ') head.pop_back();
        out += head + "\n" + indented(step.command, 6);
        if (const auto cost = cost_words(step); !cost.empty())
            out += indented(dress.paint(Style::faint, cost), 6);
        if (!step.note.empty()) out += indented(step.note, 6);
    }
    out += "\n" + no_return_words(steps, false) + "\n";
    for (const auto& step : steps)
        if (step.kind == "gate")
            out += fmt::format("Contract waits for you, and for its gate (step {}): {}\n",
                               step.step, step.note.empty() ? step.command : step.note);
    return out;
}

std::string render_step(const Dress& dress, const Step& step, std::int64_t steps) {
    auto line = fmt::format("{} {}/{} {} {}", state_word(dress, step), step.step, steps, step.phase,
                            step.kind);
    if (!step.relation.empty()) line += " " + step.relation;
    if (step.state == "undone") line += "  taken back";
    if (step.state == "skipped") line += "  not needed";
    if (step.state == "done" && step.seconds) line += "  " + show_duration(*step.seconds);
    return line;
}

std::string progress_words(const Progress& progress) {
    auto out = fmt::format("{:.1f} %, {}", progress.percent, show_count(progress.rows_done));
    if (progress.rows_estimate) out += " of about " + show_count(*progress.rows_estimate);
    out += " rows";
    if (progress.rows_per_second)
        out += fmt::format(", {} rows/s",
                           show_count(static_cast<std::int64_t>(*progress.rows_per_second)));
    if (progress.eta_seconds && progress.percent >= 1)
        out += ", " + show_duration(*progress.eta_seconds) + " left";
    if (!progress.throttled.empty()) out += ", held back: " + progress.throttled;
    return out;
}

std::string progress_bar(const Dress& dress, const Progress& progress, int width) {
    const auto words = progress_words(progress);
    if (width < 40) return words;
    // Words that are too long are cut at the edge rather than that there is no bar.
    const int room = std::clamp(width - columns_of(words) - 2, 10, 40);
    const int full = static_cast<int>(room * std::clamp(progress.percent, 0.0, 100.0) / 100);
    std::string bar;
    for (int i = 0; i < room; ++i)
        bar += i < full ? dress.symbol("\u2588", "#") : dress.symbol("\u2591", ".");
    return bar + "  " + words;
}

std::string doing_words(const Migration& migration) {
    if (migration.paused)
        return "paused" +
               (migration.pause_reason.empty() ? std::string{} : ": " + migration.pause_reason);
    if (migration.activity.starts_with("stopped: zdm_resume")) return "stopped: no worker runs it";
    if (migration.stopped()) return migration.activity.substr(0, migration.activity.find(": zdm_"));
    if (migration.waiting_for.empty()) return {};
    auto out = migration.waiting_for;
    if (out.back() == '.') out.pop_back();
    if (migration.waiting_seconds && *migration.waiting_seconds >= 1)
        out += ", for " + show_duration(*migration.waiting_seconds) + " so far";
    return out;
}

std::vector<std::string> trip_words(const std::vector<Signal>& pressure) {
    std::vector<std::string> lines;
    for (const auto& signal : pressure) {
        if (!signal.tripped) continue;
        auto line = fmt::format("held back by {}: {}", signal.signal, signal.reason);
        if (signal.seconds && *signal.seconds >= 1)
            line += ", for " + show_duration(*signal.seconds) + " so far";
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string next_words(const Migration& m) {
    const auto name = shell_word(m.name);
    const auto back =
        m.removal_started ? std::string{} : "\n      or go back: zdm rollback " + name;
    if (m.state == "failed") return "Next: remove the cause, then: zdm resume " + name + back;
    if (m.paused) return "Next: zdm resume " + name;
    if (m.stopped()) return "Next: zdm resume " + name;
    if (m.state == "planned") return "Next: zdm up with its file.";
    if (m.state == "expanded" && m.at_rest())
        return "Next: zdm up with its file goes on to ready." + back;
    if (m.state == "ready" && m.switches && m.at_rest()) return "Next: zdm switch " + name + back;
    if (m.can_contract())
        return "Next: deploy the new version now, then: zdm contract " + name + back;
    return {};
}

std::string render_list(const Dress& dress, const std::vector<Migration>& migrations) {
    std::vector<std::vector<std::string>> rows = {{"migration", "state", "steps", "activity"}};
    for (const auto& m : migrations) {
        auto doing = doing_words(m);
        if (doing.empty()) {
            if (m.state == "failed")
                doing = (m.sqlstate.empty() ? "" : "[" + m.sqlstate + "] ") + first_line(m.message);
            else if (m.state == "ready" && m.switches && m.at_rest())
                doing = "waits for zdm switch " + shell_word(m.name);
            else if (m.can_contract())
                doing = "waits for zdm contract " + shell_word(m.name);
            else if (m.state == "expanded" && m.at_rest())
                doing = "waits for zdm up";
            else if (m.worker_pid)
                doing = "running";
        }
        rows.push_back({m.name, m.state, fmt::format("{}/{}", m.steps_done, m.steps), doing});
    }
    auto out = table(rows);
    return dress.paint(Style::strong, out.substr(0, out.find('\n'))) + out.substr(out.find('\n'));
}

std::string render_failed(const Dress& dress, const Migration& m, const std::vector<Step>& steps) {
    std::string where;
    for (const auto& step : steps)
        if (m.failed_step && step.step == *m.failed_step)
            where = fmt::format(" at step {}/{} {} {}{}", step.step, m.steps, step.phase, step.kind,
                                step.relation.empty() ? "" : " " + step.relation);
    auto out = fmt::format("{} {}{}{}\n", m.name, dress.paint(Style::bad, "FAILED"), where,
                           m.sqlstate.empty() ? "" : "  [" + m.sqlstate + "]");
    if (!m.message.empty()) out += indented(m.message, 2);
    if (!m.detail.empty()) out += indented(m.detail, 2);
    if (!m.hint.empty()) out += indented("Hint: " + as_commands(m.hint), 2);
    std::vector<std::string> done, open;
    for (const auto& step : steps) {
        if (step.state == "done") done.push_back(fmt::format("{}", step.step));
        if (step.state == "pending" || step.state == "running")
            open.push_back(fmt::format("{}", step.step));
    }
    out += fmt::format("  steps done: {}; not done: {}\n",
                       done.empty() ? "none" : fmt::format("{}", fmt::join(done, ", ")),
                       open.empty() ? "none" : fmt::format("{}", fmt::join(open, ", ")));
    return out;
}

std::string render_migration(const Dress& dress, const Migration& m, const std::vector<Step>& steps,
                             const std::vector<Progress>& progress,
                             const std::vector<Signal>& pressure) {
    std::string out;
    if (m.state == "failed") {
        out = render_failed(dress, m, steps);
    } else {
        out = fmt::format("{} {}", dress.paint(Style::strong, m.name),
                          dress.paint(m.state == "done" ? Style::good : Style::strong, m.state));
        if (m.worker_pid) out += fmt::format("  running, pid {}", *m.worker_pid);
        if (m.seconds && m.state != "planned")
            out += fmt::format("  {} {}", m.finished_at.empty() ? "for" : "took",
                               show_duration(*m.seconds));
        out += "\n";
        auto doing = trip_words(pressure);
        if (doing.empty() || m.paused) doing = {doing_words(m)};
        for (const auto& line : doing)
            if (!line.empty()) out += "  " + dress.paint(Style::warning, line) + "\n";
    }
    for (const auto& step : steps) {
        out +=
            "  " + render_step(dress, step, m.steps) + (step.removal ? "  (removes)" : "") + "\n";
        for (const auto& p : progress)
            if (p.step == step.step && step.state == "running")
                out += "      " + progress_words(p) + "\n";
    }
    if (!m.forced_reason.empty())
        out += fmt::format("  gate forced by {}: {}\n", m.forced_by, m.forced_reason);
    if (m.differing_writes.value_or(0) > 0)
        out += fmt::format(
            "  {} were written with old and new columns that differ: zdm verify {}\n",
            *m.differing_writes == 1 ? "1 row" : show_count(*m.differing_writes) + " rows",
            shell_word(m.name));
    if (!m.differences_accepted_by.empty())
        out += fmt::format("  values that differ may go, says {}\n", m.differences_accepted_by);
    if (!steps.empty() && m.state != "done" && m.state != "rolled_back")
        out += "  " + no_return_words(steps, true) + "\n";
    if (const auto next = next_words(m); !next.empty()) out += next + "\n";
    return out;
}

std::string render_failure(const Dress& dress, const Failure& failure, const std::string& file,
                           const std::string& sql) {
    auto label = failure.code;
    if (label.empty() && !failure.sqlstate.empty()) label = failure.sqlstate;
    auto out = fmt::format("{}: {}{}\n", dress.paint(Style::bad, "error"),
                           label.empty() ? "" : label + ": ", failure.what());
    const auto source =
        failure.spot.line > 0 && !sql.empty() ? line_of(sql, failure.spot.line) : std::string{};
    if (!source.empty()) {
        const auto margin = fmt::format("{:>5} | ", failure.spot.line);
        out += fmt::format("  --> {}:{}{}\n{}{}\n", file, failure.spot.line,
                           failure.spot.column > 0 ? fmt::format(":{}", failure.spot.column) : "",
                           margin, source);
        if (failure.spot.column > 0) {
            // Tabs stay tabs, so that the caret stands where the terminal put the character.
            std::string blanks;
            int column = 1;
            for (const char c : source) {
                if ((c & 0xC0) == 0x80) continue;
                if (column++ >= failure.spot.column) break;
                blanks += c == '\t' ? '\t' : ' ';
            }
            out += std::string(margin.size() - 2, ' ') + "| " + blanks +
                   dress.paint(Style::bad, "^") + "\n";
        }
    }
    if (!failure.detail.empty()) out += indented(failure.detail, 2);
    if (!failure.hint.empty()) out += indented("Next: " + failure.hint, 2);
    return out;
}

}  // namespace zdm::cli
