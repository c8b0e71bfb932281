// How long to wait before the next attempt. Pure.
#pragma once

#include <chrono>

namespace zdm::run {

// 100 ms, doubled with each attempt up to 5 s, times a jitter: `random` in [0, 1) gives half to all
// of it, so that several waiters don't come back together (AWS Architecture Blog, "Exponential
// Backoff And Jitter", "equal jitter").
std::chrono::milliseconds backoff(int attempt, double random);

// Whether an error goes away by itself when tried again (serialisation, deadlock, lock timeout, too
// many connections, lost memory); `sqlstate` in five characters.
bool is_transient(const char* sqlstate);

}  // namespace zdm::run
