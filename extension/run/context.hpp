// What a step's executor has at hand: the migration, its step, and control between its
// transactions.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include "backfill/host.hpp"
#include "catalog/migration.hpp"
#include "sync/own_writes.hpp"

namespace zdm::run {

// Thrown to leave a step early: the migration was paused, rolled back, or the worker must end. Not
// an error; the step goes on (or is undone) later.
struct Stopped : std::runtime_error {
    Stopped() : std::runtime_error("stopped") {}
};

// What Context::now() gives, in whole milliseconds.
std::int64_t steady_ms();

class Crew;

class Context : public backfill::Host {
public:
    // `relation`: of the step, whose rows its batches write; 0 for none.
    Context(catalog::Migration& migration, bool undoing, std::uint32_t relation)
        : migration_(migration), undoing_(undoing), relation_(relation) {}

    const catalog::Migration& migration() const { return migration_; }
    bool undoing() const { return undoing_; }

    // Whom helpers belong to, while a backfill runs; nullptr: nobody helps.
    void set_crew(Crew* crew) { crew_ = crew; }

    // Reads pause, state and options again in a short transaction; true when the step must end.
    bool should_stop() override;
    // The same in a transaction of the caller.
    bool told_to_stop();
    // Whether this process still has the lock that means "it runs the migration".
    virtual bool keeps_claim();
    // Throws Stopped when should_stop().
    void stop_if_asked();
    backfill::Options options() const override;
    void sleep(std::chrono::milliseconds time, const std::string& reason) override;
    void rest(std::chrono::microseconds time) override;
    std::chrono::microseconds now() const override;
    void show_throttle(const std::optional<std::string>& reason) override;
    void share_work(int chunks) override;
    bool gathered() override;
    void batch_begins(std::uint32_t leaf) override;
    void batch_ends() noexcept override;
    // The same in the words of a wait: what for, and who causes it.
    void show_waiting(const std::optional<std::string>& reason);

private:
    catalog::Migration& migration_;
    bool undoing_;
    std::uint32_t relation_;
    std::optional<sync::OwnWrites> own_writes_;
    std::optional<std::string> shown_;
    Crew* crew_ = nullptr;
    int shared_ = 0;  // chunks that helpers could take
};

}  // namespace zdm::run
