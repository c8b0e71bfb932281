// What share of its time a worker may work where nobody has said (option `duty`): a fifth while
// applications keep the machine busy, all of it while they do not. Pure; a closed loop: what the
// worker does changes what is seen next.
#pragma once

#include <cstdint>
#include <optional>

namespace zdm::backfill {

// The machine at one moment.
struct Load {
    double busy = 0;  // sessions of applications that run or wait for the machine, per processor
    // The share of the time in which the worker wanted a processor and had none, since the last
    // look; none where the kernel does not say.
    std::optional<double> late;
};

class Governor {
public:
    // While applications are busy: their p99 beside a backfill was measured with it
    // (docs/benchmarks.md).
    static constexpr double kLeast = 0.2;

    // A look, about ten times a second; none: it could not be taken.
    void observe(const std::optional<Load>& load);
    // In [kLeast, 1].
    double duty() const { return duty_; }

private:
    double busy_ = 0;  // of recent looks
    double late_ = 0;
    double duty_ = kLeast;
};

}  // namespace zdm::backfill
