// zdm_pressure(name): all signals of the throttle, as they are now.
#include "pg/arguments.hpp"
#include "run/limits.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

namespace {

constexpr int kColumns = 6;

void put(ReturnSetInfo* result, const zdm::pressure::Monitor::Shown& signal) {
    Datum values[kColumns] = {};
    bool nulls[kColumns] = {};
    const auto text = [&](int i, const std::string& value) {
        nulls[i] = value.empty();
        if (!nulls[i]) values[i] = zdm::pg::text_result(value);
    };
    const auto number = [&](int i, const std::optional<double>& value) {
        nulls[i] = !value.has_value();
        values[i] = Float8GetDatum(value.value_or(0));
    };
    text(0, signal.name);
    number(1, signal.reading.value);
    number(2, signal.reading.limit);
    text(3, signal.unit);
    values[4] = BoolGetDatum(signal.reading.tripped);
    text(5, signal.reading.reason);
    zdm::pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
}

}  // namespace

ZDM_FUNCTION(zdm_pressure) {
    const auto name = zdm::pg::maybe_text(fcinfo, 0);
    zdm::pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
    auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    for (const auto& signal : zdm::run::look_at_pressure(name)) put(result, signal);
    return 0;
}
