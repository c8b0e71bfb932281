// In phases: the core scanner gives tokens with their bytes; psql commands are found among them,
// because the parser's complaint about them would be puzzling; the parser gives statements; the
// gaps between tokens, which hold white space and comments only, give the directives.
#include "plan/source.hpp"

#include <algorithm>
#include <utility>

#include "pg/bridge.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "common/keywords.h"
#include "mb/pg_wchar.h"
#include "parser/parser.h"
#include "parser/scanner.h"
}

namespace zdm::plan {

namespace {

int characters(std::string_view bytes) {
    return pg::call(
        [&] { return pg_mbstrlen_with_len(bytes.data(), static_cast<int>(bytes.size())); });
}

// The byte of a character, counted from 1; the end of the text for those behind it.
int byte_of(const std::string& text, int position) {
    int byte = 0;
    const int size = static_cast<int>(text.size());
    for (int i = 1; i < position && byte < size; ++i)
        byte += pg::call([&] { return pg_mblen(text.c_str() + byte); });
    return byte < size ? byte : size;
}

// The UPDATE of one assignment that these statements are, null when they are more or something
// else.
UpdateStmt* only_assignment(List* trees) {
    if (list_length(trees) != 1) return nullptr;
    Node* const tree = linitial_node(RawStmt, trees)->stmt;
    if (!IsA(tree, UpdateStmt)) return nullptr;
    auto* const update = castNode(UpdateStmt, tree);
    if (update->whereClause != nullptr || update->fromClause != NIL ||
        update->withClause != nullptr || pg::compat::has_returning(update) ||
        list_length(update->targetList) != 1)
        return nullptr;
    const auto* const target = linitial_node(ResTarget, update->targetList);
    if (target->indirection != NIL || IsA(target->val, SetToDefault) ||
        IsA(target->val, MultiAssignRef))
        return nullptr;
    return update;
}

}  // namespace

Source::Source(std::string sql) : text_(std::move(sql)) {
    try {
        scan();
        refuse_psql();
        parse();
    } catch (const pg::Error& error) {
        if (error.position == 0) throw;
        refuse(place_of_position(error.position), "ZD001", error.sqlstate, error.what(),
               error.detail, error.hint);
    }
    if (statements_.empty())
        refuse({}, "ZD002", pg::state::kInvalidParameter, "there is no SQL statement in this file",
               {}, "Write the statements that change the schema, e.g. ALTER TABLE ...;");
    read_directives();
}

void Source::scan() {
    const char* const sql = text_.c_str();
    core_yy_extra_type extra{};
    core_yyscan_t scanner =
        pg::call([&] { return scanner_init(sql, &extra, &ScanKeywords, ScanKeywordTokens); });
    for (;;) {
        Token token;
        token.code = pg::call([&] {
            core_YYSTYPE value;
            YYLTYPE location;
            const int code = core_yylex(&value, &location, scanner);
            token.start = location;
            return code;
        });
        if (token.code == 0) break;
        // The scanner ends each token in its own copy of the text with a zero byte.
        token.end =
            token.start + static_cast<int>(std::string_view{extra.scanbuf + token.start}.size());
        tokens_.push_back(token);
    }
    pg::call([&] { scanner_finish(scanner); });
}

void Source::refuse_psql() const {
    for (const auto& token : tokens_) {
        if (token.code != '\\') continue;
        const auto end = text_.find('\n', static_cast<std::size_t>(token.start));
        const std::string line{trim(std::string_view{text_}.substr(
            static_cast<std::size_t>(token.start),
            end == std::string::npos ? end : end - static_cast<std::size_t>(token.start)))};
        refuse(place(token.start), "ZD003", pg::state::kSyntaxError,
               "this is a command of psql, not SQL: " + line, {},
               "Take it out: zdm reads SQL only. Settings are taken from your session.");
    }
}

void Source::parse() {
    const char* const sql = text_.c_str();
    List* const trees = pg::call([&] { return raw_parser(sql, RAW_PARSE_DEFAULT); });
    std::size_t token = 0;
    for (int i = 0; i < list_length(trees); ++i) {
        Statement statement;
        statement.tree = static_cast<RawStmt*>(list_nth(trees, i));
        const int begin = statement.tree->stmt_location;
        const int length = statement.tree->stmt_len;
        const int limit = length > 0 ? begin + length : static_cast<int>(text_.size());
        while (token < tokens_.size() &&
               (tokens_[token].start < begin || tokens_[token].code == ';'))
            ++token;
        statement.first_token = token;
        while (token < tokens_.size() && tokens_[token].start < limit) ++token;
        statement.end_token = token;
        // The last statement of a text has no length when nothing ends it.
        while (statement.end_token > statement.first_token + 1 &&
               tokens_[statement.end_token - 1].code == ';')
            --statement.end_token;
        statement.start = tokens_.at(statement.first_token).start;
        statement.end = tokens_.at(statement.end_token - 1).end;
        statements_.push_back(statement);
    }
}

Place Source::place(int offset) const {
    const std::string_view before{text_.data(), static_cast<std::size_t>(offset)};
    Place place{1, 1};
    std::size_t line = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i] != '\n') continue;
        ++place.line;
        line = i + 1;
    }
    place.column = characters(before.substr(line)) + 1;
    return place;
}

Place Source::place_of_position(int position) const { return place(byte_of(text_, position)); }

Place Source::place_in(const Given& given, int position) const {
    const int byte = byte_of(given.text, position) + given.shift;
    return place(std::clamp(byte, given.comment, static_cast<int>(text_.size())));
}

std::string Source::slice(int start, int end) const {
    return text_.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start));
}

std::vector<std::pair<int, int>> Source::subcommands(const Statement& statement, int name) const {
    std::size_t token = statement.first_token;
    while (token < statement.end_token && tokens_[token].start < name) ++token;
    // The name: identifiers with points between, then perhaps * or the bracket of ONLY (name).
    while (token + 2 < statement.end_token && tokens_[token + 1].code == '.') token += 2;
    ++token;
    while (token < statement.end_token &&
           (tokens_[token].code == '*' || tokens_[token].code == ')'))
        ++token;

    std::vector<std::pair<int, int>> pieces;
    int depth = 0;
    std::size_t first = token;
    for (; token <= statement.end_token; ++token) {
        const bool end = token == statement.end_token;
        const int code = end ? 0 : tokens_[token].code;
        if (code == '(' || code == '[') ++depth;
        if (code == ')' || code == ']') --depth;
        if (!end && (code != ',' || depth != 0)) continue;
        if (first < token) pieces.emplace_back(tokens_[first].start, tokens_[token - 1].end);
        first = token + 1;
    }
    return pieces;
}

void Source::read_directives() {
    std::size_t next = 0;
    for (std::size_t token = 0; token <= tokens_.size(); ++token) {
        const int start = token == 0 ? 0 : tokens_[token - 1].end;
        const int end =
            token == tokens_.size() ? static_cast<int>(text_.size()) : tokens_[token].start;
        while (next < statements_.size() && statements_[next].end_token <= token &&
               statements_[next].first_token != token)
            ++next;
        Statement* follower = next < statements_.size() ? &statements_[next] : nullptr;
        const bool inside = follower == nullptr || token != follower->first_token;
        if (start < end) read_gap(start, end, follower, inside);
    }
}

// Reads the comments of a gap. Only white space and comments are in it.
void Source::read_gap(int start, int end, Statement* next, bool inside) {
    const std::string_view gap{text_.data() + start, static_cast<std::size_t>(end - start)};
    int depth = 0;
    for (std::size_t i = 0; i < gap.size(); ++i) {
        const auto two = gap.substr(i, 2);
        if (two == "/*") {
            ++depth;
            ++i;
        } else if (two == "*/") {
            --depth;
            ++i;
        } else if (two == "--" && depth == 0) {
            auto stop = gap.find('\n', i);
            if (stop == std::string_view::npos) stop = gap.size();
            const auto comment = trim(gap.substr(i + 2, stop - i - 2));
            // A comment on the line of a statement that has ended is about that one.
            const bool behind = start > 0 && gap.substr(0, i).find('\n') == std::string_view::npos;
            if (comment.substr(0, 4) == "zdm:") {
                const int offset = start + static_cast<int>(i);
                if (inside || behind)
                    refuse(place(offset), "ZD004", pg::state::kSyntaxError,
                           "a -- zdm: comment must stand on lines of its own right before its "
                           "statement",
                           {}, "Move it to the line before the statement that it is for.");
                read_directive(offset, trim(comment.substr(4)), next);
            }
            i = stop;
        }
    }
}

void Source::read_directive(int offset, std::string_view text, Statement* next) {
    const auto [word, rest] = split_directive(text);
    if (word == "direct" && rest.empty()) {
        next->directives.direct = true;
        return;
    }
    if (word == "phase") {
        const auto phase = phase_from(rest);
        if (!phase)
            refuse(place(offset), "ZD004", pg::state::kSyntaxError,
                   "there is no phase \"" + std::string{rest} + "\"", {},
                   "A statement can run in expand, migrate, switch or contract.");
        next->directives.phase = phase;
        return;
    }
    for (const Way way : {Way::up, Way::down}) {
        if (word != to_text(way)) continue;
        Given given = read_given(offset, way, rest);
        for (const auto& other : next->directives.given)
            if (other.way == way && other.column == given.column)
                refuse(place(offset), "ZD004", pg::state::kSyntaxError,
                       "-- zdm: " + std::string{word} + " gives column \"" + given.column +
                           "\" a second expression",
                       {}, "Leave one of them.");
        next->directives.given.push_back(std::move(given));
        return;
    }
    if (word == "ignore")
        refuse(place(offset), "ZD105", pg::state::kFeatureNotSupported,
               "-- zdm: ignore is not supported yet", {}, "Take the comment out.");
    refuse(place(offset), "ZD004", pg::state::kSyntaxError,
           "unknown comment -- zdm: " + std::string{text}, {},
           "Known are: -- zdm: direct, -- zdm: phase expand|migrate|switch|contract, "
           "-- zdm: up column = expression, and -- zdm: down column = expression.");
}

// The text is read as the SET clause of an UPDATE, and must be one assignment.
Given Source::read_given(int offset, Way way, std::string_view text) const {
    constexpr std::string_view kBefore = "UPDATE t SET ";
    const std::string word{to_text(way)};
    Given given;
    given.way = way;
    given.comment = offset;
    given.text = std::string{kBefore} + std::string{text};
    if (!text.empty()) {
        given.shift =
            static_cast<int>(text.data() - text_.data()) - static_cast<int>(kBefore.size());
        try {
            given.tree = pg::call(
                [&] { return only_assignment(raw_parser(given.text.c_str(), RAW_PARSE_DEFAULT)); });
        } catch (const pg::Error& error) {
            refuse(place_in(given, error.position), "ZD001", error.sqlstate, error.what(),
                   error.detail, error.hint);
        }
    }
    if (given.tree == nullptr)
        refuse(place(offset), "ZD004", pg::state::kSyntaxError,
               "-- zdm: " + word + " must give one column one expression, and nothing else", {},
               "Write it as in -- zdm: " + word +
                   (way == Way::up ? " full_name = first || ' ' || last"
                                   : " first = split_part(full_name, ' ', 1)") +
                   ", a line for each column.");
    given.column = linitial_node(ResTarget, given.tree->targetList)->name;
    return given;
}

}  // namespace zdm::plan
