#include "run/limits.hpp"

#include "settings.hpp"

namespace zdm::run {

pressure::Limits default_limits() {
    pressure::Limits limits;
    limits.replica_lag = static_cast<double>(settings::max_replica_lag().count()) / 1000;
    return limits;
}

}  // namespace zdm::run
