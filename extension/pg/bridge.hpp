// Between ereport and exceptions. `call` turns an ereport(ERROR) below it into pg::Error;
// `boundary` turns an exception into an ereport at the edge where PostgreSQL called us.
#pragma once

#include <csetjmp>
#include <type_traits>

#include "pg/error.hpp"
#include "pg/postgres.hpp"

namespace zdm::pg {

namespace detail {

// PostgreSQL's error handling state around a guarded call.
class SavedState {
public:
    SavedState()
        : stack_(PG_exception_stack),
          context_(error_context_stack),
          memory_(CurrentMemoryContext) {}
    ~SavedState() { restore(); }
    SavedState(const SavedState&) = delete;
    SavedState& operator=(const SavedState&) = delete;

    void restore() const {
        PG_exception_stack = stack_;
        error_context_stack = context_;
    }
    MemoryContext memory() const { return memory_; }

private:
    sigjmp_buf* stack_;
    ErrorContextCallback* context_;
    MemoryContext memory_;
};

// Takes the error that the server has just raised, clears it, and throws it as pg::Error.
[[noreturn]] void throw_pg_error(MemoryContext memory);

}  // namespace detail

// Runs f, which may call anything of PostgreSQL but must hold only trivial locals, and throws
// pg::Error when the server raised an error. The transaction is then only good for abort, unless a
// Subtransaction is around. Costs a sigsetjmp: guard per batch, never per row.
template <typename F>
auto call(F f) -> decltype(f()) {
    static_assert(std::is_trivially_destructible_v<F>, "capture by reference only");
    const detail::SavedState saved;
    sigjmp_buf here;
    if (sigsetjmp(here, 0) == 0) {
        PG_exception_stack = &here;
        return f();
    }
    saved.restore();
    detail::throw_pg_error(saved.memory());
}

// Runs body for PostgreSQL: no exception leaves it, each becomes an ereport(ERROR) with its fields.
Datum boundary(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo));

// The exception being handled, as pg::Error. Only inside a catch block.
Error current_error();

// Raises error as an ereport(ERROR). Nothing in the caller's frame may need a destructor.
struct ErrorFields;
ErrorFields* copy_error(const Error& error, MemoryContext memory) noexcept;
[[noreturn]] void raise(const ErrorFields* fields);

// Serves interrupts: a cancel or termination is thrown as pg::Error (or ends the process).
void check_for_interrupts();

}  // namespace zdm::pg

// A SQL-callable function: `ZDM_FUNCTION(zdm_pause) { ... return Datum; }` with `fcinfo` in scope.
#define ZDM_FUNCTION(name)                                                           \
    static Datum name##_body(FunctionCallInfo fcinfo);                               \
    extern "C" {                                                                     \
    PG_FUNCTION_INFO_V1(name);                                                       \
    Datum name(PG_FUNCTION_ARGS) { return zdm::pg::boundary(fcinfo, &name##_body); } \
    }                                                                                \
    static Datum name##_body([[maybe_unused]] FunctionCallInfo fcinfo)
