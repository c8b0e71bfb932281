// What zdm_estimate says about a backfill, for people. Pure.
#pragma once

#include <string>

#include "cli/json.hpp"
#include "cli/render.hpp"

namespace zdm::cli {

// `estimate` is the function's row as JSON.
std::string render_estimate(const Dress& dress, const Json& estimate);

}  // namespace zdm::cli
