#include "run/polite.hpp"

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace zdm::run {

#if defined(__linux__) && defined(SYS_sched_setattr)

namespace {

// The first version of the kernel's struct sched_attr, which glibc has from 2.41 on only.
struct Attributes {
    std::uint32_t size = sizeof(Attributes);
    std::uint32_t policy = 0;  // SCHED_OTHER
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;  // the slice, in nanoseconds; at most 100 ms
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

}  // namespace

void yield_to_whoever_wakes() {
    Attributes attributes;
    // A server may run with another priority, which is its administrator's business.
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
    if (attributes.policy != 0) return;
    attributes.size = sizeof attributes;
    attributes.flags = 0;
    attributes.runtime = 100'000'000;
    // A kernel or container that does not allow it leaves all as it was.
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

#else

void yield_to_whoever_wakes() {}

#endif

}  // namespace zdm::run
