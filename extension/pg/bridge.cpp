#include "pg/bridge.hpp"

#include <new>
#include <string>

namespace zdm::pg {

std::string sqlstate_text(int packed) {
    std::string text(5, '0');
    for (int i = 0; i < 5; ++i)
        text[static_cast<std::size_t>(i)] = static_cast<char>(((packed >> (6 * i)) & 0x3F) + '0');
    return text;
}

// Plain memory, so that ereport may jump away from it.
struct ErrorFields {
    int sqlstate;
    int position;
    const char* message;
    const char* detail;
    const char* hint;
    const char* context;
    const char* schema;
    const char* table;
    const char* column;
    const char* constraint;
};

namespace {

std::string text_or_empty(const char* text) { return text == nullptr ? std::string{} : text; }

const char* copy_text(const std::string& text, MemoryContext memory) {
    return text.empty() ? nullptr : MemoryContextStrdup(memory, text.c_str());
}

}  // namespace

namespace detail {

void throw_pg_error(MemoryContext memory) {
    // CopyErrorData refuses to work in ErrorContext, where the server leaves us.
    MemoryContextSwitchTo(memory);
    ErrorData* data = CopyErrorData();
    FlushErrorState();
    Error error{data->sqlerrcode, text_or_empty(data->message), text_or_empty(data->detail),
                text_or_empty(data->hint)};
    error.context = text_or_empty(data->context);
    error.schema = text_or_empty(data->schema_name);
    error.table = text_or_empty(data->table_name);
    error.column = text_or_empty(data->column_name);
    error.constraint = text_or_empty(data->constraint_name);
    error.position = data->cursorpos;
    FreeErrorData(data);
    throw error;
}

}  // namespace detail

Error current_error() {
    try {
        throw;
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return Error{sqlstate("53200"), "ZD999: out of memory"};
    } catch (const std::exception& error) {
        return Error{state::kInternal,
                     std::string{"ZD999: internal error: "} + error.what(),
                     {},
                     "This is a bug in zdm; please report it with the statement that caused it."};
    } catch (...) {
        return Error{state::kInternal, "ZD999: internal error: unknown exception"};
    }
}

ErrorFields* copy_error(const Error& error, MemoryContext memory) noexcept {
    auto* fields = static_cast<ErrorFields*>(MemoryContextAllocZero(memory, sizeof(ErrorFields)));
    fields->sqlstate = error.sqlstate;
    fields->position = error.position;
    fields->message = MemoryContextStrdup(memory, error.what());
    fields->detail = copy_text(error.detail, memory);
    fields->hint = copy_text(error.hint, memory);
    fields->context = copy_text(error.context, memory);
    fields->schema = copy_text(error.schema, memory);
    fields->table = copy_text(error.table, memory);
    fields->column = copy_text(error.column, memory);
    fields->constraint = copy_text(error.constraint, memory);
    return fields;
}

void raise(const ErrorFields* f) {
    ereport(ERROR,
            (errcode(f->sqlstate), errmsg_internal("%s", f->message),
             f->detail != nullptr ? errdetail_internal("%s", f->detail) : 0,
             f->hint != nullptr ? errhint("%s", f->hint) : 0,
             f->context != nullptr ? errcontext_msg("%s", f->context) : 0,
             f->schema != nullptr ? err_generic_string(PG_DIAG_SCHEMA_NAME, f->schema) : 0,
             f->table != nullptr ? err_generic_string(PG_DIAG_TABLE_NAME, f->table) : 0,
             f->column != nullptr ? err_generic_string(PG_DIAG_COLUMN_NAME, f->column) : 0,
             f->constraint != nullptr ? err_generic_string(PG_DIAG_CONSTRAINT_NAME, f->constraint)
                                      : 0));
    pg_unreachable();
}

Datum boundary(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo)) {
    MemoryContext memory = CurrentMemoryContext;
    const ErrorFields* fields = nullptr;
    try {
        return body(fcinfo);
    } catch (...) {
        fields = copy_error(current_error(), memory);
    }
    // Outside the handler: the exception object is gone, nothing here needs a destructor.
    MemoryContextSwitchTo(memory);
    raise(fields);
}

void check_for_interrupts() {
    call([] { CHECK_FOR_INTERRUPTS(); });
}

}  // namespace zdm::pg
