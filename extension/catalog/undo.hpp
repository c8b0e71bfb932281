// The parts of each step's undo, and how far they got (zdm.undo). Through the door.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "catalog/migration.hpp"
#include "pg/spi.hpp"

namespace zdm::catalog {

// For save_plan and load_steps, which have the door open.
void insert_undo(pg::Spi& spi, std::int64_t id, std::int64_t step,
                 const std::vector<plan::Undo>& parts);
void load_undo(pg::Spi& spi, std::int64_t id, std::vector<StoredStep>& steps);

// Part `part` of the step, counted from 1. With the last part done the step is undone.
void set_undo(std::int64_t id, int step, int part, StepState state);

// A map as two lists, for jsonb_object().
std::vector<std::string> keys_of(const TextMap& map);
std::vector<std::string> values_of(const TextMap& map);

// Locks as text, one a line.
std::string lock_lines(const std::vector<plan::LockNeed>& locks);
std::vector<plan::LockNeed> locks_from(const std::string& text);

}  // namespace zdm::catalog
