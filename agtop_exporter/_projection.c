/* Copies JSON lines without the object members that nobody asks for.
 *
 * Transcripts are mostly text that holds no figure: what tools printed, what models thought. This
 * passes over it several times faster than a decoder. `agtop_exporter.projection` says what is
 * asked for, and goes without where this cannot be compiled or run.
 *
 * It judges nothing. Where a line is not one complete, strictly well-formed object, all are left
 * to the decoder, which says what is wrong: so the results are the same with and without this.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_DEPTH 128 /* far below where the decoder gives up */
#define SHORT_LINE 1536 /* bytes; less is decoded as soon as it is looked through */
#define MAX_MEMBERS 256
#define WHOLE (-1)

/* A member that is asked for: of objects in its value, `count` members from `first` on, or WHOLE. */
typedef struct {
    const char *name;
    Py_ssize_t length;
    int first;
    int count;
} Member;

typedef struct {
    const Member *members;
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *done; /* what is wanted of all before this is in `out` */
    uint8_t *out;
} Text;

static inline bool take(Text *text, uint8_t expected)
{
    if (text->at == text->end || *text->at != expected)
        return false;
    text->at++;
    return true;
}

/* --- strings -------------------------------------------------------------------------------- */

/* Returns the value of four hexadecimal digits, -1 where there are none. */
static int take_code_unit(Text *text)
{
    int unit = 0;
    for (int digits = 0; digits < 4; digits++) {
        if (text->at == text->end)
            return -1;
        uint8_t digit = *text->at++;
        if (digit >= '0' && digit <= '9')
            unit = unit * 16 + digit - '0';
        else if ((digit | 32) >= 'a' && (digit | 32) <= 'f')
            unit = unit * 16 + (digit | 32) - 'a' + 10;
        else
            return -1;
    }
    return unit;
}

/* Passes over what follows a backslash; half a surrogate pair is no character. */
static bool skip_escape(Text *text)
{
    if (text->at == text->end)
        return false;
    switch (*text->at++) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return true;
    case 'u': {
        int unit = take_code_unit(text);
        if (unit < 0xD800 || unit > 0xDFFF)
            return unit >= 0;
        if (unit > 0xDBFF || !take(text, '\\') || !take(text, 'u'))
            return false;
        unit = take_code_unit(text);
        return unit >= 0xDC00 && unit <= 0xDFFF;
    }
    default:
        return false;
    }
}

/* 64 bytes; a set of some of them has a bit for each. */
typedef struct {
    __m256i low;
    __m256i high;
} Block;

static inline uint64_t as_set(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

static inline uint64_t equal(Block block, char c)
{
    __m256i same = _mm256_set1_epi8(c);
    return as_set(_mm256_cmpeq_epi8(block.low, same), _mm256_cmpeq_epi8(block.high, same));
}

static inline uint64_t control(Block block)
{
    __m256i last = _mm256_set1_epi8(0x1F);
    return as_set(_mm256_cmpeq_epi8(_mm256_min_epu8(block.low, last), block.low),
                  _mm256_cmpeq_epi8(_mm256_min_epu8(block.high, last), block.high));
}

/* Passes over the inside of a string, 64 bytes at a time, until something needs a closer look. */
static inline void skip_inside(Text *text)
{
    const uint64_t even = 0x5555555555555555u;
    const uint8_t *at = text->at;
    uint64_t cut = 0; /* 1 where the last block ended in the middle of an escape */
    for (; text->end - at >= 64; at += 64) {
        const __m256i *bytes = (const __m256i *)at;
        Block block = {_mm256_loadu_si256(bytes), _mm256_loadu_si256(bytes + 1)};
        uint64_t quotes = equal(block, '"'), backslashes = equal(block, '\\');
        uint64_t known = quotes | backslashes | equal(block, 'n') | equal(block, 't');
        /* In a run of backslashes every other one escapes its successor. Adding the begin of a
         * run to it leaves a bit behind its end: so behind runs that begin at an odd place, and
         * only there, escaped bytes change from the even places to the odd ones. (The method is
         * that of Langdale and Lemire, Parsing gigabytes of JSON per second, 2019.) */
        uint64_t escapes = backslashes & ~cut;
        uint64_t behind = escapes << 1 | cut;
        uint64_t escaped = (even ^ ((escapes & ~even & ~behind) + escapes) << 1) & behind;
        uint64_t rare = escaped & ~known;
        uint64_t stops = (quotes & ~escaped) | control(block) | rare;
        if (stops) {
            int place = __builtin_ctzll(stops);
            cut = rare >> place & 1;
            at += place;
            break;
        }
        cut = (escapes & ~escaped) >> 63;
    }
    text->at = at - cut; /* at the backslash */
}

/* Passes over the beginning of the inside, which is mostly all of it. */
static inline void skip_beginning(Text *text)
{
    if (text->end - text->at < 32)
        return;
    __m256i bytes = _mm256_loadu_si256((const __m256i *)text->at);
    Block block = {bytes, bytes};
    uint64_t stops = equal(block, '"') | equal(block, '\\') | control(block);
    text->at += stops ? __builtin_ctzll(stops) : 32;
}

/* Passes over the rest of a string behind its opening quote; false where it is not well-formed. */
static bool skip_string(Text *text)
{
    skip_beginning(text);
    while (!take(text, '"')) {
        skip_inside(text);
        while (text->at < text->end && *text->at != '"' && *text->at != '\\' && *text->at >= ' ')
            text->at++;
        if (take(text, '\\')) {
            if (!skip_escape(text))
                return false;
        } else if (text->at == text->end || *text->at != '"') {
            return false;
        }
    }
    return true;
}

/* --- values --------------------------------------------------------------------------------- */

static bool project(Text *text, int first, int count, int depth);

static inline void skip_blanks(Text *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t' || *text->at == '\r'))
        text->at++;
}

static bool skip_digits(Text *text)
{
    const uint8_t *begin = text->at;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9')
        text->at++;
    return text->at > begin;
}

static bool skip_number(Text *text)
{
    take(text, '-');
    if (!take(text, '0') && !skip_digits(text))
        return false;
    if (take(text, '.') && !skip_digits(text))
        return false;
    if (!take(text, 'e') && !take(text, 'E'))
        return true;
    if (!take(text, '+'))
        take(text, '-');
    return skip_digits(text);
}

static bool skip_word(Text *text, const char *word, int length)
{
    if (text->end - text->at < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

/* Leaves out what lies between two places; what is before the first is copied. */
static void leave_out(Text *text, const uint8_t *from, const uint8_t *to)
{
    size_t size = from - text->done;
    memcpy(text->out, text->done, size);
    text->out += size;
    text->done = to;
}

static const Member *find(const Text *text, int first, int count, const uint8_t *name,
                          Py_ssize_t length)
{
    for (const Member *member = text->members + first; count > 0; member++, count--)
        if (member->length == length && memcmp(member->name, name, length) == 0)
            return member;
    return NULL;
}

/* Passes over an object from behind its opening brace, and leaves out its unwanted members. */
static bool project_object(Text *text, int first, int count, int depth)
{
    const uint8_t *comma = NULL; /* before the member at hand, if one before it was wanted */
    skip_blanks(text);
    if (take(text, '}'))
        return true;
    for (;;) {
        const uint8_t *begin = text->at;
        if (!take(text, '"') || !skip_string(text))
            return false;
        const Member *member = NULL;
        if (count != WHOLE) {
            Py_ssize_t length = text->at - begin - 2;
            member = find(text, first, count, begin + 1, length);
            if (member == NULL && memchr(begin + 1, '\\', length) != NULL)
                return false; /* perhaps a wanted name in disguise */
        }
        skip_blanks(text);
        if (!take(text, ':'))
            return false;
        skip_blanks(text);
        bool wanted = count == WHOLE || member != NULL;
        if (!project(text, member ? member->first : 0, member ? member->count : WHOLE, depth))
            return false;
        const uint8_t *end = text->at;
        skip_blanks(text);
        bool last = take(text, '}');
        if (!last && !take(text, ','))
            return false;
        if (!wanted)
            leave_out(text, comma ? comma : begin, comma || last ? end : text->at);
        if (last)
            return true;
        if (wanted || comma)
            comma = text->at - 1;
        skip_blanks(text);
    }
}

static bool project_array(Text *text, int first, int count, int depth)
{
    skip_blanks(text);
    if (take(text, ']'))
        return true;
    for (;;) {
        if (!project(text, first, count, depth))
            return false;
        skip_blanks(text);
        if (take(text, ']'))
            return true;
        if (!take(text, ','))
            return false;
        skip_blanks(text);
    }
}

/* Passes over a value; false where it is not well-formed. */
static bool project(Text *text, int first, int count, int depth)
{
    if (text->at == text->end || depth == MAX_DEPTH)
        return false;
    switch (*text->at) {
    case '"':
        text->at++;
        return skip_string(text);
    case '{':
        text->at++;
        return project_object(text, first, count, depth + 1);
    case '[':
        text->at++;
        return project_array(text, first, count, depth + 1);
    case 't':
        return skip_word(text, "true", 4);
    case 'f':
        return skip_word(text, "false", 5);
    case 'n':
        return skip_word(text, "null", 4);
    default:
        return skip_number(text);
    }
}

/* --- for Python ----------------------------------------------------------------------------- */

/* Appends the members that a dict asks for, and theirs; returns the new number, -1 on an error. */
static int add_members(PyObject *wanted, Member *members, int number)
{
    Py_ssize_t at = 0;
    PyObject *name, *below;
    int first = number;
    number += (int)PyDict_GET_SIZE(wanted);
    if (number > MAX_MEMBERS) {
        PyErr_SetString(PyExc_ValueError, "too many members");
        return -1;
    }
    for (Member *member = members + first; PyDict_Next(wanted, &at, &name, &below); member++) {
        member->name = PyUnicode_AsUTF8AndSize(name, &member->length);
        member->first = number;
        member->count = PyDict_Check(below) ? (int)PyDict_GET_SIZE(below) : WHOLE;
        if (member->name == NULL)
            return -1;
        if (member->count != WHOLE && (number = add_members(below, members, number)) < 0)
            return -1;
    }
    return number;
}

/* Passes over lines; false where one is not well-formed. Short ones are taken for whole objects by
 * their ends: those that are not make the decoder fail, as they did without this. */
static bool project_lines(Text *text, int count)
{
    while (text->at < text->end) {
        const uint8_t *begin = text->at;
        const uint8_t *end = memchr(begin, '\n', text->end - begin);
        if (end == NULL)
            end = text->end;
        if (end - begin < SHORT_LINE && end > begin && *begin == '{' && end[-1] == '}') {
            text->at = end;
        } else {
            skip_blanks(text);
            if (text->at < end && !(take(text, '{') && project_object(text, 0, count, 1)))
                return false;
            skip_blanks(text);
            if (text->at != end)
                return false;
        }
        take(text, '\n');
    }
    leave_out(text, text->end, text->end);
    return true;
}

static PyObject *lines(PyObject *module, PyObject *arguments)
{
    (void)module;
    Member members[MAX_MEMBERS];
    PyObject *wanted, *result;
    Py_buffer given;
    if (!PyArg_ParseTuple(arguments, "y*O!:lines", &given, &PyDict_Type, &wanted))
        return NULL;
    if (add_members(wanted, members, 0) < 0) {
        PyBuffer_Release(&given);
        return NULL;
    }
    result = PyBytes_FromStringAndSize(NULL, given.len);
    if (result != NULL) {
        const uint8_t *begin = given.buf;
        uint8_t *out = (uint8_t *)PyBytes_AS_STRING(result);
        Text text = {members, begin, begin + given.len, begin, out};
        if (project_lines(&text, (int)PyDict_GET_SIZE(wanted)))
            _PyBytes_Resize(&result, text.out - out);
        else
            Py_SETREF(result, Py_NewRef(Py_None));
    }
    PyBuffer_Release(&given);
    return result;
}

static PyMethodDef functions[] = {
    {"lines", lines, METH_VARARGS,
     "lines(text, wanted)\n--\n\n"
     "Copy JSON lines without the members that are not wanted; None where one is not well-formed."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_projection",
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__projection(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi")) {
        PyErr_SetString(PyExc_ImportError, "this processor has no AVX2");
        return NULL;
    }
    return PyModuleDef_Init(&module);
}
