#include "backfill/governor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace zdm::backfill {
namespace {

constexpr int kSecond = 10;  // looks

// The duty after each of so many looks at what `load` says; it is told the duty that brought it.
template <typename F>
std::vector<double> run(Governor& governor, int looks, F load) {
    std::vector<double> duties;
    for (int i = 0; i < looks; ++i) {
        governor.observe(load(i, governor.duty()));
        duties.push_back(governor.duty());
    }
    return duties;
}

std::optional<Load> idle(int, double) { return Load{0, 0.0}; }
std::optional<Load> busy(int, double) { return Load{0.5, 0.0}; }

double spread(const std::vector<double>& duties, std::size_t last) {
    const auto [least, most] =
        std::minmax_element(duties.end() - static_cast<int>(last), duties.end());
    return *most - *least;
}

TEST(Governor, BeginsCarefully) {
    Governor governor;
    EXPECT_EQ(governor.duty(), Governor::kLeast);
    EXPECT_LT(run(governor, kSecond, idle).back(), 0.6);
}

TEST(Governor, TakesAllOfAnIdleMachine) {
    Governor governor;
    EXPECT_EQ(run(governor, 15 * kSecond, idle).back(), 1);
}

TEST(Governor, GivesWayAtOnceAndComesBackSlowly) {
    Governor governor;
    run(governor, 15 * kSecond, idle);
    EXPECT_EQ(run(governor, 2, busy).back(), Governor::kLeast);
    EXPECT_LT(run(governor, kSecond, idle).back(), 0.6);
    EXPECT_EQ(run(governor, 15 * kSecond, idle).back(), 1);
}

TEST(Governor, ASpikeCostsSomeSeconds) {
    Governor governor;
    run(governor, 15 * kSecond, idle);
    const auto duties = run(governor, 15 * kSecond, [](int i, double) {
        return std::optional<Load>{Load{i == 0 ? 4.0 : 0.0, 0.0}};
    });
    EXPECT_EQ(duties.front(), Governor::kLeast);
    EXPECT_EQ(duties.back(), 1);
}

TEST(Governor, DoesNotFollowWhatOscillates) {
    for (const int period : {2, 4, kSecond}) {
        Governor governor;
        const auto duties = run(governor, 20 * kSecond, [&](int i, double) {
            return std::optional<Load>{Load{i % period < period / 2 ? 0.5 : 0.0, 0.0}};
        });
        EXPECT_LT(spread(duties, 10 * kSecond), 0.01) << period;
        EXPECT_LT(duties.back(), Governor::kLeast + 0.01) << period;
    }
}

TEST(Governor, SettlesBetweenUnderALightLoad) {
    Governor governor;
    const auto duties = run(governor, 30 * kSecond, [](int, double) {
        return std::optional<Load>{Load{0.05, 0.0}};
    });
    EXPECT_NEAR(duties.back(), 0.733, 0.01);
    EXPECT_LT(spread(duties, 10 * kSecond), 0.01);
}

// Sessions that are at work a third of the time, seen by chance: all that are on two processors.
TEST(Governor, TakesLittleWhereSessionsComeAndGo) {
    Governor governor;
    std::minstd_rand random{7};
    const auto duties = run(governor, 60 * kSecond, [&](int, double) {
        int sessions = 0;
        for (int i = 0; i < 4; ++i) sessions += random() % 3 == 0 ? 1 : 0;
        return std::optional<Load>{Load{sessions / 2.0, 0.0}};
    });
    double mean = 0;
    for (const double duty : duties) mean += duty / static_cast<double>(duties.size());
    EXPECT_LT(mean, Governor::kLeast + 0.02);
}

// Somebody outside the server wants half of the processor: whoever takes more than is left, waits.
TEST(Governor, SettlesWhereItWaitsForTheProcessorItself) {
    Governor governor;
    const auto duties = run(governor, 120 * kSecond, [](int, double duty) {
        return std::optional<Load>{Load{0, std::max(0.0, duty - 0.5)}};
    });
    EXPECT_NEAR(duties.back(), 0.71, 0.02);
    EXPECT_LT(spread(duties, 30 * kSecond), 0.02);
}

TEST(Governor, BlindIsCareful) {
    Governor governor;
    run(governor, 15 * kSecond, idle);
    EXPECT_EQ(run(governor, 2, [](int, double) { return std::optional<Load>{}; }).back(),
              Governor::kLeast);
}

TEST(Governor, DoesWithoutAKernelThatTells) {
    Governor governor;
    const auto without = [](double value) {
        return [value](int, double) { return std::optional<Load>{Load{value, std::nullopt}}; };
    };
    EXPECT_EQ(run(governor, 15 * kSecond, without(0)).back(), 1);
    EXPECT_EQ(run(governor, 2, without(0.5)).back(), Governor::kLeast);
}

}  // namespace
}  // namespace zdm::backfill
