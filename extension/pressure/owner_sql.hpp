// What options of the migration's owner say as text, checked against the server.
#pragma once

#include <string>

namespace zdm::pressure {

// The minute of the day now in a time zone; the server's error when there is no such zone.
int minute_in(const std::string& zone);

// What is wrong with the text of a pressure_query; empty when it is one SELECT.
std::string wrong_with_query(const std::string& sql);

}  // namespace zdm::pressure
