// The same as JSON: one object with a "schema" that carries its version. Fields are only ever
// added.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/failure.hpp"
#include "cli/model.hpp"

namespace zdm::cli {

using Json = nlohmann::ordered_json;

Json to_json(const Target& target);
Json to_json(const Migration& migration);
Json to_json(const Step& step);
Json to_json(const Progress& progress);
Json to_json(const Signal& signal);
Json to_json(const Event& event);
Json to_json(const Usage& usage);
Json to_json(const Failure& failure);  // zdm.error/1, whole

template <typename Item>
Json to_json(const std::vector<Item>& items) {
    auto out = Json::array();
    for (const auto& item : items) out.push_back(to_json(item));
    return out;
}

// One line; text that is no UTF-8 (queries of other sessions) does not make it fail.
std::string dump(const Json& json);

}  // namespace zdm::cli
