// Hints of errors that are raised where nobody knows the migration's name.
#pragma once

#include <string>

namespace zdm::run {

// The hint with each zdm_resume, zdm_rollback and zdm_contract as the whole call to copy: those
// without arguments, or with (...), get `name`, an SQL literal.
std::string with_name(const std::string& hint, const std::string& name);

}  // namespace zdm::run
