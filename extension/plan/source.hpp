// The text of a migration: statements as the server's own parser sees them, tokens, places, and the
// directives in comments. Server side; the parse trees live in the memory context of the caller.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/directive.hpp"
#include "plan/plan.hpp"
#include "plan/refusal.hpp"

struct RawStmt;
struct UpdateStmt;

namespace zdm::plan {

// A token of the core scanner: bytes [start, end) of the text; `code` is the character for
// single-character tokens, above 255 for all others.
struct Token {
    int code = 0;
    int start = 0;
    int end = 0;
};

// What `-- zdm: up c = expression` or `down` says, parsed alone.
struct Given {
    Way way = Way::up;
    std::string column;          // as in the catalog, not quoted
    UpdateStmt* tree = nullptr;  // UPDATE t SET c = expression, where t stands for any table
    std::string text;            // of which
    int comment = 0;             // byte of the source at which the comment begins
    int shift = 0;               // from a byte of `text` to the same one of the source
};

// What `-- zdm:` comments right before a statement ask for.
struct Directives {
    bool direct = false;
    std::optional<Phase> phase;
    std::vector<Given> given;
};

struct Statement {
    RawStmt* tree = nullptr;
    std::size_t first_token = 0;  // into Source::tokens
    std::size_t end_token = 0;
    int start = 0;  // bytes of the text, without comments around
    int end = 0;
    Directives directives;
};

class Source {
public:
    // Reads the text. Throws pg::Error ZD001 (syntax), ZD002 (nothing in it), ZD003 (psql command)
    // or ZD004 (directive).
    explicit Source(std::string sql);

    const std::string& text() const { return text_; }
    const std::vector<Statement>& statements() const { return statements_; }
    const std::vector<Token>& tokens() const { return tokens_; }

    // The place of a byte offset; column counts characters.
    Place place(int offset) const;
    // The place of a server's error position, which counts characters from 1.
    Place place_of_position(int position) const;
    // The same for a position in the text of a directive.
    Place place_in(const Given& given, int position) const;
    // Text of bytes [start, end).
    std::string slice(int start, int end) const;

    // The pieces of an ALTER TABLE after the relation name, split at top-level commas, as byte
    // ranges. `name` is the offset of the relation's name.
    std::vector<std::pair<int, int>> subcommands(const Statement& statement, int name) const;

private:
    void scan();
    void refuse_psql() const;
    void parse();
    void read_directives();
    void read_gap(int start, int end, Statement* next, bool inside);
    void read_directive(int offset, std::string_view text, Statement* next);
    Given read_given(int offset, Way way, std::string_view text) const;

    std::string text_;
    std::vector<Token> tokens_;
    std::vector<Statement> statements_;
};

}  // namespace zdm::plan
