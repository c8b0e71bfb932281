// The workers that help the worker of a migration with a backfill. They run as it does, take chunks
// from the same queue, and end by themselves when there is nothing left to take or the migration is
// told to stop.
#pragma once

#include <cstdint>
#include <vector>

#include "run/context.hpp"

struct BackgroundWorkerHandle;

namespace zdm::run {

class Crew {
public:
    // For a step that this process runs: `context` asks it for helpers while it lives.
    Crew(Context& context, int step);
    // Ends those that are still at work, and returns when they are gone.
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // Starts helpers until there are so many, as far as slots are free. One that ended early is not
    // replaced at once.
    void keep(int wanted);
    // How many there are now.
    int at_work();

private:
    struct Member {
        BackgroundWorkerHandle* handle = nullptr;
        std::int64_t started_ms = 0;
    };
    bool start(Member& member, int number) const;

    Context& context_;
    int step_;
    std::vector<Member> members_;
    bool full_ = false;  // no slot was free
};

// What a helper is told when it starts.
struct HelperOrder {
    std::uint32_t database = 0;
    std::uint32_t login = 0;
    std::int32_t step = 0;
    std::int32_t number = 0;  // from 1
    std::int32_t leader = 0;  // pid
};

// The life of a helper, once it is connected.
void help(std::int64_t migration, const HelperOrder& order);

}  // namespace zdm::run
