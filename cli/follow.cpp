#include "cli/follow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cli/failure.hpp"
#include "cli/quantity.hpp"
#include "cli/server_error.hpp"

namespace zdm::cli {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Often while something happens, seldom while it goes on as it did: what is read here costs the
// server some milliseconds each time, next to its applications.
constexpr milliseconds kPollEvery{300};
constexpr milliseconds kPollAtLeastEvery{1500};
constexpr seconds kProgressEvery{5};  // where there is no bar
// A worker that is just starting looks like a stopped one for a moment.
constexpr int kStoppedPolls = 4;

// The views take a list of names as one JSON value: no array type to build by hand.
constexpr auto kMine = " IN (SELECT pg_catalog.jsonb_array_elements_text($1::jsonb))";

// What is told in another way already: by steps, states, what it waits for, and the error at the
// end.
bool is_news(const Event& event) {
    for (const std::string_view kind :
         {"step", "state", "created", "failed", "paused", "throttled", "released"})
        if (event.kind == kind) return false;
    return true;
}

}  // namespace

Follower::Follower(Session& session, std::vector<std::string> names, FollowOptions options)
    : session_(session), names_(std::move(names)), options_(std::move(options)) {}

void Follower::remember() {
    read();
    events_.clear();
    for (const auto& [name, steps] : steps_)
        for (const auto& step : steps) told_[name].steps[step.step] = step.state;
}

// Migrations first: when one is read as done, the events and steps read after it are complete.
void Follower::read() {
    auto& client = session_.client();
    const std::vector<Value> mine = {dump(Json(names_))};
    migrations_.clear();
    for (const auto& row :
         client.query(std::string{kSelectMigrations} + " WHERE m.name" + kMine, mine)) {
        auto m = migration_from(row);
        migrations_[m.name] = std::move(m);
    }
    for (const auto& [name, m] : migrations_) {
        steps_[name] = session_.steps(name);
        if (shows_progress_) progress_[name] = session_.progress(name);
        if (session_.console().has_bar()) pressure_[name] = session_.pressure(name);
    }
    auto since = mine;
    since.emplace_back(fmt::format("{}", last_event_));
    for (const auto& row : client.query(std::string{kSelectEvents} + " WHERE e.migration" + kMine +
                                            " AND e.id > $2::bigint ORDER BY e.id",
                                        since)) {
        events_.push_back(event_from(row));
        last_event_ = events_.back().id;
    }
}

void Follower::poll() {
    const auto now = Clock::now();
    shows_progress_ =
        session_.console().has_bar() || options_.stream || now - progress_at_ >= kProgressEvery;
    if (shows_progress_) progress_at_ = now;
    bool again = false;
    session_.surviving(options_.deadline, [&] {
        // After a restart nobody else may be there to start the workers.
        if (again)
            for (auto& [name, told] : told_) told.stopped_polls = kStoppedPolls;
        again = true;
        read();
    });
}

// Starts workers again that ended with the server, or found no free slot.
void Follower::revive() {
    for (const auto& [name, m] : migrations_) {
        auto& told = told_[name];
        told.stopped_polls = m.stopped() ? told.stopped_polls + 1 : 0;
        if (told.stopped_polls < kStoppedPolls) continue;
        told.stopped_polls = 0;
        try {
            // With no free slot the server warns instead of starting one (ZD501).
            const auto warnings = session_.notices().size();
            if (session_.ping(name) && session_.notices().size() == warnings)
                session_.console().narrate(prefix(m) + "worker started again");
        } catch (const ConnectionLost&) {
            return;  // the next poll connects again
        } catch (const Failure& failure) {
            // Somebody who may only look, or no free slot: say so and go on looking.
            if (told.doing != failure.what())
                session_.console().narrate(
                    prefix(m) + "stopped, and could not be started again: " + failure.what());
            told.doing = failure.what();
        }
    }
}

std::string Follower::prefix(const Migration& migration) const {
    return names_.size() > 1 ? migration.name + ": " : std::string{};
}

// Steps that have ended, those before a number.
void Follower::tell_steps(const Migration& m, Told& told, std::int64_t before) {
    for (const auto& step : steps_[m.name]) {
        if (step.step >= before) return;
        auto& known = told.steps[step.step];
        if (known == step.state) continue;
        const bool ended =
            step.state == "done" || step.state == "undone" || step.state == "skipped";
        if (ended && !(known.empty() && step.state == "skipped"))
            session_.console().narrate(prefix(m) + render_step(session_.err(), step, m.steps));
        known = step.state;
    }
}

// Steps and events in the order in which they happened.
void Follower::tell_news(const Migration& m, Told& told) {
    for (const auto& event : events_) {
        if (event.migration != m.name || !is_news(event)) continue;
        if (event.step) tell_steps(m, told, *event.step);
        session_.console().narrate(fmt::format("{}{}: {}", prefix(m), event.kind, event.message));
    }
    tell_steps(m, told, std::numeric_limits<std::int64_t>::max());
}

void Follower::tell_doing(const Migration& m, Told& told) {
    if (told.state != m.state) {
        // Where it should be is what the command says at its end.
        if (m.state != "planned" && m.state != "failed" && !is_there(m))
            session_.console().narrate(
                prefix(m) + session_.err().paint(Style::strong, m.name + " is " + m.state));
        told.state = m.state;
    }
    const auto doing = doing_words(m);
    // A worker that is about to start is no news.
    if (m.stopped() && told.stopped_polls < kStoppedPolls - 1) return;
    // The seconds in it change all the time; the reason is the news.
    const auto reason = doing.substr(0, doing.find(", for "));
    if (!reason.empty() && reason != told.doing && !session_.console().has_bar())
        session_.console().narrate(prefix(m) + reason);
    told.doing = reason;
}

void Follower::tell_progress(const Migration& m) {
    const auto running = std::find_if(steps_[m.name].begin(), steps_[m.name].end(),
                                      [](const Step& s) { return s.state == "running"; });
    if (running == steps_[m.name].end()) return;
    auto line =
        fmt::format("{}: {}, step {}/{} {}{}", m.name, m.state, running->step, m.steps,
                    running->kind, running->relation.empty() ? "" : " " + running->relation);
    bool measured = false;
    for (const auto& p : progress_[m.name]) {
        if (p.step != running->step) continue;
        line += ", " + progress_words(p);
        measured = true;
    }
    if (!measured && running->seconds) line += ", for " + show_duration(*running->seconds);
    if (const auto doing = doing_words(m); !doing.empty()) line += ", " + doing;
    session_.console().narrate(line);
}

void Follower::tell_json() {
    auto list = Json::array();
    auto essence = Json::array();
    for (const auto& [name, m] : migrations_) {
        auto one = to_json(m);
        one["progress"] = to_json(progress_[name]);
        one.erase("seconds");
        essence.push_back(one);
        list.push_back(session_.status_json(m));
    }
    if (essence.dump(-1, ' ', false, Json::error_handler_t::replace) == streamed_) return;
    streamed_ = essence.dump(-1, ' ', false, Json::error_handler_t::replace);
    session_.console().result(dump({{"schema", "zdm.status/1"},
                                    {"target", to_json(session_.client().target())},
                                    {"migrations", list},
                                    {"events", to_json(events_)}}));
}

// What is redrawn in place: the step, its bar, and what it waits for.
void Follower::draw_one(const Migration& m, std::vector<std::string>& bars) {
    const auto& console = session_.console();
    const auto spinner = std::string_view{"|/-\\"}.substr(spin_ % 4, 1);
    const auto before = bars.size();
    for (const auto& step : steps_[m.name]) {
        if (step.state != "running") continue;
        auto line = fmt::format("{}{} {}/{} {} {} {}", prefix(m), spinner, step.step, m.steps,
                                step.phase, step.kind, step.relation);
        if (step.seconds) line += "  " + show_duration(*step.seconds);
        bars.push_back(line);
        for (const auto& p : progress_[m.name])
            if (p.step == step.step)
                bars.push_back("  " + progress_bar(session_.err(), p, console.width() - 3));
    }
    if (bars.size() == before && !is_there(m) && !m.stopped())
        bars.push_back(fmt::format("{}{} {}", prefix(m), spinner, m.state));
    auto doing = trip_words(pressure_[m.name]);
    if (doing.empty() || m.paused) doing = {doing_words(m)};
    for (const auto& line : doing)
        if (!line.empty() && !told_[m.name].doing.empty())
            bars.push_back("  " + session_.err().paint(Style::warning, line));
}

// Bars, and lines where there is no terminal.
void Follower::tell() {
    auto& console = session_.console();
    if (options_.stream && console.json()) {
        tell_json();
        events_.clear();
        return;
    }
    std::vector<std::string> bars;
    ++spin_;
    for (const auto& [name, m] : migrations_) {
        auto& told = told_[name];
        if (!options_.quiet) tell_news(m, told);
        tell_doing(m, told);
        if (shows_progress_ && !console.has_bar()) tell_progress(m);
        draw_one(m, bars);
    }
    events_.clear();
    console.draw(bars);
}

bool Follower::is_there(const Migration& m) const {
    if (options_.until.empty()) return m.at_rest() && !m.paused;
    return has_reached(m.state, options_.until);
}

std::optional<Exit> Follower::verdict() {
    bool all = true;
    bool failed = false;
    for (const auto& name : names_) {
        const auto found = migrations_.find(name);
        if (found == migrations_.end())
            throw Failure{Exit::failed, "ZD301", fmt::format("the migration \"{}\" is gone", name),
                          "Somebody deleted it, or you may not see it any more.", "zdm status"};
        const auto& m = found->second;
        if (is_there(m)) {
            failed = failed || m.state == "failed";
            continue;
        }
        if (m.state == "failed" || m.state == "rolled_back") return Exit::failed;
        all = false;
        if (!options_.to_gate) continue;
        // The worker that asks the gate may be about to start, or have just ended.
        auto& polls = told_[name].gate_polls;
        polls = m.can_contract() && m.transition && !m.paused ? polls + 1 : 0;
        if (polls >= kStoppedPolls) {
            polls = 0;
            return Exit::gate;
        }
    }
    if (!all) return std::nullopt;
    return failed ? Exit::failed : Exit::done;
}

Exit Follower::detach() {
    auto& console = session_.console();
    console.draw({});
    for (const auto& name : names_) {
        const auto word = shell_word(name);
        console.narrate(
            fmt::format("Detached: the server goes on with {0}.\n"
                        "  watch it: zdm watch {1}    pause it: zdm pause {1}"
                        "    go back: zdm rollback {1}",
                        name, word));
    }
    return Exit::detached;
}

Exit Follower::time_over() {
    auto& console = session_.console();
    console.draw({});
    for (const auto& [name, m] : migrations_) {
        if (is_there(m)) continue;
        const auto doing = doing_words(m);
        console.narrate(fmt::format(
            "Time is over: {} is {}{}; {}", name, m.state, doing.empty() ? "" : " (" + doing + ")",
            m.at_rest() ? next_words(m)
                        : "the server goes on. Next: zdm watch " + shell_word(name)));
    }
    return Exit::timeout;
}

milliseconds Follower::nap() {
    std::string seen;
    bool unsure = false;
    for (const auto& [name, m] : migrations_) {
        seen += name + ' ' + m.state;
        for (const auto& step : steps_[name]) seen += ' ' + step.state;
        const auto& told = told_[name];
        unsure = unsure || told.stopped_polls > 0 || told.gate_polls > 0;
    }
    nap_ = seen != seen_ || unsure ? kPollEvery : std::min(nap_ * 3 / 2, kPollAtLeastEvery);
    seen_ = std::move(seen);
    if (!options_.deadline) return nap_;
    const auto left = std::chrono::duration_cast<milliseconds>(*options_.deadline - Clock::now());
    return std::clamp(left, milliseconds{1}, nap_);
}

Exit Follower::run() {
    const Interrupts interrupts;
    for (;;) {
        if (Interrupts::asked()) return detach();
        poll();
        if (Interrupts::asked()) return detach();
        tell();
        if (const auto exit = verdict()) {
            session_.console().draw({});
            return *exit;
        }
        if (is_over(options_.deadline)) return time_over();
        revive();
        pause_for(nap());
    }
}

Failure failure_of(const Migration& m, const std::vector<Step>& steps) {
    if (m.state != "failed")
        return Failure{Exit::failed,
                       {},
                       fmt::format("{} is {}", m.name, m.state),
                       "Somebody took it back.",
                       "zdm history " + shell_word(m.name) + " tells what happened."};
    std::string where;
    for (const auto& step : steps)
        if (m.failed_step && step.step == *m.failed_step)
            where = fmt::format(" at step {}/{} {} {}{}", step.step, m.steps, step.phase, step.kind,
                                step.relation.empty() ? "" : " " + step.relation);
    auto failure = failure_from(m.message, m.sqlstate);
    Failure out{Exit::failed, failure.code,
                fmt::format("{} failed{}: {}", m.name, where, failure.what()), m.detail,
                as_commands(m.hint)};
    out.sqlstate = m.sqlstate;
    return out;
}

}  // namespace zdm::cli
