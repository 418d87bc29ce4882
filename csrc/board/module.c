/* module.c: the extension `sqmagic.board.layout._wires`. Numbers come in as tuples and arrays of ints, ways go out as arrays
 * of ints; all memory belongs to the program's `Wires` and is used again for each plan. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "board.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    Board board;
} Wires;

/* --- what comes in ------------------------------------------------------------------------------------------------- */

static void *refused(const char *why) {
    PyErr_SetString(PyExc_ValueError, why);
    return NULL;
}

/* A copy of an array of ints in groups of `item`; NULL with an error set. */
static int *ints_of(PyObject *object, int item, int *groups) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE)) return NULL;
    const Py_ssize_t count = view.len / (Py_ssize_t)sizeof(int);
    int *copy = count < INT_MAX / 64 && view.len % (item * (Py_ssize_t)sizeof(int)) == 0 ? malloc((size_t)view.len + sizeof(int)) : NULL;
    if (copy) memcpy(copy, view.buf, (size_t)view.len);
    else refused("an array of another length is wanted");
    *groups = (int)(count / item);
    PyBuffer_Release(&view);
    return copy;
}

static int within(const int *value, int count, int step, int low, int high) {
    for (int k = 0; k < count; k += step)
        if (value[k] < low || value[k] >= high) return 0;
    return 1;
}

static int is_sound(const Program *p, int rails, int firsts, int sinks, int leaving, int coming) {
    if (rails != p->nodes || firsts != p->nets + 1 || sinks != p->jobs || leaving != p->nets || coming != p->jobs) return 0;
    if (p->first[0] != 0 || p->first[p->nets] != p->jobs) return 0;
    for (int net = 0; net < p->nets; net++)
        if (p->first[net] > p->first[net + 1]) return 0;
    if (!within(p->rail, p->nodes, 1, FREE, p->rails) || !within(p->source, p->nets, 1, 0, p->nodes)) return 0;
    if (!within(p->sink, p->jobs, 1, 0, p->nodes)) return 0;
    for (int k = 0; k < p->rails; k++)
        if (!within(&p->rail_of[k].entry, 2, 1, 0, p->nodes)) return 0;
    for (int k = 0; k < p->lines; k++)
        if (!within(&p->line[k].rail, 1, 1, 0, p->rails) || !within(&p->line[k].job, 1, 1, 0, p->jobs)
            || !within(&p->line[k].merge, 1, 1, FREE, p->nodes))
            return 0;
    for (int net = 0; net < p->nets; net++)
        if (!within(&p->leaving[net].along, 1, 1, -1, 2) || !within(&p->leaving[net].after, 1, 1, FREE, p->nodes)) return 0;
    return 1;
}

/* Offsets of lists of nodes: for each of `count` owners one, and one more at the end. */
static int lists_fit(const int *at, int offsets, const int *item, int items, int count, int nodes) {
    if (offsets != count + 1 || at[0] != 0 || at[count] != items || !within(item, items, 1, 0, nodes)) return 0;
    for (int k = 0; k < count; k++)
        if (at[k] > at[k + 1]) return 0;
    return 1;
}

enum { ARRAYS = 19 };

static int program_of(Program *p, PyObject *args) {
    int count[ARRAYS] = {0}, *array[ARRAYS] = {NULL}, done = 1;
    static const int item[ARRAYS] = {1, 1, 1, 1, 1, 4, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (int k = 0; k < ARRAYS && done; k++) done = (array[k] = ints_of(PyTuple_GetItem(args, k), item[k], &count[k])) != NULL;
    p->kind = array[0], p->rail = array[1], p->source = array[2], p->first = array[3], p->sink = array[4];
    p->rail_of = (Rail *)array[5], p->line = (Line *)array[6], p->leaving = (Leaving *)array[7], p->coming = (Coming *)array[8];
    p->level_at = array[9], p->level = array[10], p->line_at = array[11], p->on_line = array[12], p->stop_at = array[13];
    p->stop = array[14], p->source_at = array[15], p->sources = array[16], p->user_at = array[17], p->users = array[18];
    if (!done) return 0;
    p->nodes = count[0], p->nets = count[2], p->jobs = count[4], p->rails = count[5], p->lines = count[6];
    if (is_sound(p, count[1], count[3], count[4], count[7], count[8])
        && lists_fit(p->level_at, count[9], p->level, count[10], p->rails, p->nodes)
        && lists_fit(p->line_at, count[11], p->on_line, count[12], p->rails, p->nodes)
        && lists_fit(p->stop_at, count[13], p->stop, count[14], p->rails, p->nodes)
        && lists_fit(p->source_at, count[15], p->sources, count[16], p->nodes, p->nodes)
        && lists_fit(p->user_at, count[17], p->users, count[18], p->nodes, p->nodes))
        return 1;
    return refused("that is no program"), 0;
}

/* A copy of bytes, as many as are wanted. */
static void *bytes_of(PyObject *object, size_t length) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE)) return NULL;
    void *copy = (size_t)view.len == length ? malloc(length + 1) : NULL;
    if (copy) memcpy(copy, view.buf, length);
    else refused("an array of another length is wanted");
    PyBuffer_Release(&view);
    return copy;
}

/* Wires(kinds, rail of each node, sources, firsts, sinks, rails, lines, leaving, coming, and with their offsets levels, lines,
 * stops, sources, users; instances, member, nested, sides): see Program in board.h */
static PyObject *wires_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    (void)keywords;
    if (PyTuple_Size(args) != ARRAYS + 4) return refused("a program is made of so many arrays");
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Wires *self = (Wires *)allocate(type, 0);
    if (!self) return NULL;
    Board *board = &self->board;
    Program *p = &board->program;
    if (!program_of(p, args)) goto failed;
    const long instances = PyLong_AsLong(PyTuple_GetItem(args, ARRAYS));
    if (instances < 0 || instances > 4096) {
        if (!PyErr_Occurred()) refused("so many macro instances there are not");
        goto failed;
    }
    const size_t many = (size_t)instances, sides = (size_t)(4 * p->nets + 5 * p->jobs);
    p->instances = (int)instances;
    if (!(p->member = bytes_of(PyTuple_GetItem(args, ARRAYS + 1), many * (size_t)p->nodes))
        || !(p->nested = bytes_of(PyTuple_GetItem(args, ARRAYS + 2), many * many))
        || !(p->sides = bytes_of(PyTuple_GetItem(args, ARRAYS + 3), sides * sizeof(double))))
        goto failed;
    p->net = malloc(((size_t)p->jobs + 1) * sizeof(int));
    board->sides = malloc((sides + 1) * sizeof(double));
    if (!p->net || !board->sides || !grid_make(&board->grid, p)) {
        PyErr_NoMemory();
        goto failed;
    }
    for (int net = 0; net < p->nets; net++)
        for (int job = p->first[net]; job < p->first[net + 1]; job++) p->net[job] = net;
    return (PyObject *)self;
failed:
    Py_DECREF((PyObject *)self);
    return NULL;
}

static void wires_dealloc(PyObject *object) {
    Board *board = &((Wires *)object)->board;
    PyTypeObject *type = Py_TYPE(object);
    const Program *p = &board->program;
    void *own[] = {
        p->kind,    p->rail,    p->source,  p->first, p->net,       p->sink,    p->rail_of, p->line,  p->leaving,   p->coming,
        p->level_at, p->level,  p->line_at, p->on_line, p->stop_at, p->stop,    p->source_at, p->sources, p->user_at, p->users,
        p->member,  p->nested,  p->sides,   board->sides, board->scratch, board->annealing.changes.item,
    };
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) free(own[k]);
    Laid *laid[] = {&board->given, &board->before, &board->annealing.now, &board->annealing.then, &board->annealing.afresh};
    for (size_t k = 0; k < sizeof laid / sizeof *laid; k++) laid_drop(laid[k]);
    memory_clear(&board->annealing.memory);
    grid_drop(&board->grid);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* A number of a tuple from `low` up to `high`, else an error. */
static int number(PyObject *tuple, Py_ssize_t at, int low, int high, int *into) {
    const long value = PyLong_AsLong(PyTuple_GetItem(tuple, at));
    if (value == -1 && PyErr_Occurred()) return 0;
    if (value < low || value >= high) return refused("a number is out of range"), 0;
    *into = (int)value;
    return 1;
}

static int columns_of(const Program *program, Plan *plan, PyObject *of, PyObject *pins) {
    int count = 0;
    for (int n = 0; n < program->nodes; n++) {
        PyObject *own = PyTuple_GetItem(of, n), *nets = PyTuple_GetItem(pins, n);
        const Py_ssize_t places = PyTuple_Check(own) ? PyTuple_Size(own) : 0, pinned = PyTuple_Check(nets) ? PyTuple_Size(nets) : 0;
        plan->pinned[n] = pinned > 0;
        if (!places == !(program->kind[n] & (LEFT | RIGHT)) || (pinned && pinned != places)) return refused("a node has no place"), 0;
        plan->at[n] = count;
        for (Py_ssize_t k = 0; k < places; k++, count++) {
            const int after = k ? plan->column[count - 1] + 1 : 0;
            plan->pin[count] = FREE;
            if (!number(own, k, after, plan->columns, &plan->column[count])) return 0;
            if (pinned && !number(nets, k, FREE, program->nets, &plan->pin[count])) return 0;
        }
    }
    plan->at[program->nodes] = count;
    return 1;
}

/* (row of each node, how many rows, columns of each node, nets that leave a block upwards, how many columns) */
static int places_of(const Program *program, Laid *into, PyObject *given) {
    PyObject *row, *of, *pins;
    Plan *plan = &into->plan;
    Ints *room = &into->numbers;
    if (!PyArg_ParseTuple(given, "OiOOi", &row, &plan->rows, &of, &pins, &plan->columns)) return 0;
    const int nodes = program->nodes, fine = plan->rows >= 0 && plan->rows < 1 << 12 && plan->columns >= 0 && plan->columns < 1 << 12;
    if (!fine || !PyTuple_Check(row) || !PyTuple_Check(of) || !PyTuple_Check(pins) || PyTuple_Size(row) != nodes
        || PyTuple_Size(of) != nodes || PyTuple_Size(pins) != nodes)
        return refused("a plan has a row and columns for each node"), 0;
    int places = 0;
    for (int n = 0; n < nodes; n++) places += PyTuple_Check(PyTuple_GetItem(of, n)) ? (int)PyTuple_Size(PyTuple_GetItem(of, n)) : 0;
    if (!ints_room(&room->item, &room->room, 3 * nodes + 1 + 2 * places, sizeof(int))) return PyErr_NoMemory(), 0;
    plan->program = program;
    plan->row = room->item, plan->at = plan->row + nodes, plan->column = plan->at + nodes + 1, plan->pin = plan->column + places, plan->pinned = plan->pin + places;
    for (int n = 0; n < nodes; n++)
        if (!number(row, n, 0, plan->rows, &plan->row[n])) return 0;
    return columns_of(program, plan, of, pins);
}

/* With what each bend, crossing and column costs, and joined lines that go on aside. */
static int plan_of(Board *board, PyObject *places, PyObject *prices) {
    Plan *plan = &board->given.plan;
    if (!PyArg_ParseTuple(prices, "dddd", &plan->bend, &plan->crossing, &plan->column_price, &plan->aside)) return 0;
    return places_of(&board->program, &board->given, places);
}

/* Whether ways (a job, how many points, their x and y) run along the lines of a grid. */
static int ways_fit(const Program *program, const int *way, Py_ssize_t length, int width, int height) {
    for (Py_ssize_t k = 0; k < length; k += 2 + 2 * way[k + 1]) {
        if (length - k < 2 || way[k] < 0 || way[k] >= program->jobs || way[k + 1] < 2 || (length - k - 2) / 2 < way[k + 1]) return 0;
        const int *point = way + k + 2;
        for (int p = 0; p < way[k + 1]; p++, point += 2) {
            if (point[0] < 0 || point[0] >= width || point[1] < 0 || point[1] >= height) return 0;
            if (p && (point[0] == point[-2]) == (point[1] == point[-1])) return 0;
        }
    }
    return 1;
}

static int ways_of(const Program *program, const Plan *plan, int tracks, const Py_buffer *view) {
    const int width = 2 + tracks + plan->columns * (tracks + 1), height = tracks + plan->rows * (tracks + 1);
    const Py_ssize_t length = view->len / (Py_ssize_t)sizeof(int);
    if (view->len % (Py_ssize_t)sizeof(int) || !ways_fit(program, view->buf, length, width, height)) return refused("ways do not lie on the plan's grid"), 0;
    return 1;
}

/* --- what goes out ------------------------------------------------------------------------------------------------- */

static PyObject *array_of(const Ints *list) {
    return PyBytes_FromStringAndSize((const char *)list->item, (Py_ssize_t)((size_t)list->count * sizeof(int)));
}

static int add_way(const Grid *grid, int job, const int *point, int count, Ints *out) {
    int done = ints_push(out, job) && ints_push(out, count);
    for (int k = 0; k < count && done; k++) done = ints_push(out, grid->column_of[point[k]]) && ints_push(out, grid->row_of[point[k]]);
    return done;
}

static PyObject *numbers_out(const int *item, int count) {
    PyObject *out = PyTuple_New(count);
    for (int k = 0; out && k < count; k++) PyTuple_SetItem(out, k, PyLong_FromLong(item[k]));
    return out;
}

/* (row of each node, how many rows, columns of each node, nets that leave a block upwards, how many columns) */
static PyObject *places_out(const Plan *plan) {
    const int nodes = plan->program->nodes;
    PyObject *of = PyTuple_New(nodes), *pins = PyTuple_New(nodes);
    for (int n = 0; of && pins && n < nodes; n++) {
        const int first = plan->at[n], count = plan->at[n + 1] - first;
        PyTuple_SetItem(of, n, numbers_out(plan->column + first, count));
        PyTuple_SetItem(pins, n, numbers_out(plan->pin + first, plan->pinned[n] ? count : 0));
    }
    return Py_BuildValue("NiNNi", numbers_out(plan->row, nodes), plan->rows, of, pins, plan->columns);
}

/* (places, ways, cost, crossings, corners, how many wires are crooked, how many were laid anew) */
static PyObject *laid_out(const Laid *laid) {
    const Cost *cost = &laid->cost;
    return Py_BuildValue("NNdiiii", places_out(&laid->plan), array_of(&laid->ways), cost->cost, cost->crossings, cost->corners,
                         cost->crooked, cost->anew);
}

/* The paths of all wires, in the order in which they were laid. */
static PyObject *paths_out(const Grid *grid) {
    Ints out = {0};
    int done = 1;
    for (int turn = 0; turn < grid->turn && done; turn++)
        for (int job = 0; job < grid->plan->program->jobs && done; job++)
            if (grid->path_length[job] && grid->path_turn[job] == turn)
                done = add_way(grid, job, grid->paths.item + grid->path_at[job], grid->path_length[job], &out);
    PyObject *array = done ? array_of(&out) : PyErr_NoMemory();
    free(out.item);
    return array;
}

static PyObject *crossings_out(const Grid *grid) {
    Ints out = {0};
    int done = 1;
    for (int v = 0; v < grid->size && done; v++)
        if (grid->across[v] != FREE && grid->upright[v] != FREE && grid->across[v] != grid->upright[v])
            done = ints_push(&out, grid->column_of[v]) && ints_push(&out, grid->row_of[v]);
    PyObject *array = done ? array_of(&out) : PyErr_NoMemory();
    free(out.item);
    return array;
}

/* --- what it does -------------------------------------------------------------------------------------------------- */

static Board *board_of(PyObject *object) { return &((Wires *)object)->board; }

/* guess(places, prices): what such a plan may cost */
static PyObject *wires_guess(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices;
    if (!PyArg_ParseTuple(args, "OO", &places, &prices) || !plan_of(board, places, prices)) return NULL;
    const double cost = guess_cost(&board->given.plan);
    return cost < 0.0 ? PyErr_NoMemory() : PyFloat_FromDouble(cost);
}

/* intrusions(places): how many nodes and macro instances stand in the room of an instance that is not theirs */
static PyObject *wires_intrusions(PyObject *object, PyObject *places) {
    Board *board = board_of(object);
    if (!places_of(&board->program, &board->given, places)) return NULL;
    return PyLong_FromLong(change_intrusions(&board->given.plan));
}

/* tried(places, prices, most): the cost of all wires laid once, or what was known of it when it was more than `most` */
static PyObject *wires_tried(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices;
    double most, cost = 0.0;
    if (!PyArg_ParseTuple(args, "OOd", &places, &prices, &most) || !plan_of(board, places, prices)) return NULL;
    double *blame = malloc(((size_t)board->program.nodes + 1) * sizeof *blame);
    const int whole = blame ? plan_try(board, &board->given.plan, most, &cost, blame) : -1;
    free(blame);
    return whole < 0 ? PyErr_NoMemory() : PyFloat_FromDouble(cost);
}

/* climbed(places, prices, budget): the places after the climb */
static PyObject *wires_climbed(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices;
    double budget;
    if (!PyArg_ParseTuple(args, "OOd", &places, &prices, &budget) || !plan_of(board, places, prices)) return NULL;
    return climb(board, &board->given, budget) ? places_out(&board->given.plan) : PyErr_NoMemory();
}

/* The places after each change of a list that is legal. */
static PyObject *changed(Board *board, int count) {
    PyObject *out = PyList_New(0);
    for (int k = 0; out && k < count; k++) {
        const int legal = climb_change(board, &board->given, k, &board->before);
        PyObject *one = legal > 0 ? places_out(&board->before.plan) : NULL;
        const int failed = legal < 0 || (legal && (!one || PyList_Append(out, one)));
        Py_XDECREF(one);
        if (failed) Py_CLEAR(out);
    }
    return out || PyErr_Occurred() ? out : PyErr_NoMemory();
}

/* changed(places, prices): the places after each change */
static PyObject *wires_changed(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices;
    if (!PyArg_ParseTuple(args, "OO", &places, &prices) || !plan_of(board, places, prices)) return NULL;
    const int count = climb_changes(board, &board->given.plan);
    return count < 0 ? PyErr_NoMemory() : changed(board, count);
}

/* under(places, prices, node): those in which a node stands in the column of a neighbour */
static PyObject *wires_under(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices;
    int node;
    if (!PyArg_ParseTuple(args, "OOi", &places, &prices, &node) || !plan_of(board, places, prices)) return NULL;
    if (node < 0 || node >= board->program.nodes) return refused("there is no such node");
    const Plan *plan = &board->given.plan;
    Changes *list = &board->annealing.changes;
    list->count = 0;
    change_places(plan, node, list);
    int kept = 0;
    for (int k = 0; k < list->count; k++)
        if (!list->item[k].c && list->item[k].b != plan->column[plan->at[node]]) list->item[kept++] = list->item[k];
    return changed(board, kept);
}

/* legal(places) */
static PyObject *wires_legal(PyObject *object, PyObject *places) {
    Board *board = board_of(object);
    if (!places_of(&board->program, &board->given, places)) return NULL;
    return plan_room(board, &board->given.plan) ? PyBool_FromLong(change_is_legal(&board->given.plan, board->scratch)) : PyErr_NoMemory();
}

static int ways_into(Board *board, Laid *laid, const Py_buffer *ways) {
    if (!ways_of(&board->program, &laid->plan, TRACKS, ways)) return 0;
    const int count = (int)(ways->len / (Py_ssize_t)sizeof(int));
    if (!ints_room(&laid->ways.item, &laid->ways.room, count, sizeof(int))) return PyErr_NoMemory(), 0;
    if (count) memcpy(laid->ways.item, ways->buf, (size_t)ways->len);
    laid->ways.count = count;
    return 1;
}

/* laid(places, prices, most, before, ways): the plan with its wires, where `ways` lay at the places `before` and lie still
 * where they can, all anew if that is None; None where it costs more than `most` */
static PyObject *wires_laid(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices, *before, *out = NULL;
    Py_buffer ways;
    double most;
    if (!PyArg_ParseTuple(args, "OOdOy*", &places, &prices, &most, &before, &ways)) return NULL;
    const int afresh = before == Py_None;
    if (plan_of(board, places, prices)
        && (afresh || (places_of(&board->program, &board->before, before) && ways_into(board, &board->before, &ways)))) {
        const int laid = plan_lay(board, &board->given.plan, most, afresh ? NULL : &board->before, &board->given);
        out = laid < 0 ? PyErr_NoMemory() : laid ? laid_out(&board->given) : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&ways);
    return out;
}

/* anneal(places, prices, ways, cost, crossings, corners, crooked, steps, seed, warmth, nearly, columns): the plan from which changes
 * are drawn from then on, with what it costs where what there is too much of is dear */
static PyObject *wires_anneal(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices, *out = NULL;
    Py_buffer ways;
    Cost *cost = &board->given.cost;
    int steps;
    unsigned long long seed;
    double warmth, nearly, columns;
    if (!PyArg_ParseTuple(args, "OOy*diiiiKddd", &places, &prices, &ways, &cost->cost, &cost->crossings, &cost->corners, &cost->crooked, &steps, &seed, &warmth, &nearly, &columns))
        return NULL;
    cost->anew = 0;
    cost->missing = board->program.jobs;
    if (plan_of(board, places, prices) && ways_into(board, &board->given, &ways)) {
        for (int k = 0; k < board->given.ways.count; k += 2 + 2 * board->given.ways.item[k + 1]) cost->missing--;
        const int begun = anneal_begin(board, &board->given, steps, seed, warmth, nearly, columns);
        out = begun ? laid_out(&board->annealing.now) : PyErr_NoMemory();
    }
    PyBuffer_Release(&ways);
    return out;
}

/* better(): the next plan that is better, or None when all changes are drawn */
static PyObject *wires_better(PyObject *object, PyObject *none) {
    (void)none;
    Board *board = board_of(object);
    const int found = anneal_next(board);
    return found < 0 ? PyErr_NoMemory() : found ? laid_out(&board->annealing.now) : Py_NewRef(Py_None);
}

/* Lays the ways that can lie on the grid; those are left in `kept`. */
static void lie(Grid *grid, const int *way, int length) {
    grid->kept.count = 0;
    for (int k = 0; k < length && !grid->failed; k += 2 + 2 * way[k + 1]) {
        const int at = grid->kept.count, count = way[k + 1];
        int done = ints_push(&grid->kept, way[k]) && ints_push(&grid->kept, count);
        for (int p = 0; p < count && done; p++) done = ints_push(&grid->kept, way[k + 3 + 2 * p] * grid->width + way[k + 2 + 2 * p]);
        if (!done) grid->failed = 1;
        else if (!again_lies(grid, way[k], grid->kept.item + at + 2, count)) grid->kept.count = at;
    }
}

static PyObject *routed(Grid *grid, int rounds, const char *urgent, const Py_buffer *ways, int *missing) {
    int count = 0;
    lie(grid, ways->buf, (int)(ways->len / (Py_ssize_t)sizeof(int)));
    const double cost = grid->failed ? 0.0 : route_all(grid, rounds, urgent, &grid->kept, missing, &count);
    if (grid->failed) return PyErr_NoMemory();
    const Ints lost = {missing, count, count};
    return Py_BuildValue("NNiiNdl", paths_out(grid), crossings_out(grid), route_corners(grid), route_crooked(grid), array_of(&lost), cost, grid->work);
}

/* routed(places, prices, tracks, rounds, urgent, ways): (paths, crossings, corners, crooked wires, missing jobs, cost, how
 * much was searched); `urgent` has a byte for each net */
static PyObject *wires_routed(PyObject *object, PyObject *args) {
    Board *board = board_of(object);
    PyObject *places, *prices, *out = NULL;
    Py_buffer urgent, ways;
    int tracks, rounds;
    if (!PyArg_ParseTuple(args, "OOiiy*y*", &places, &prices, &tracks, &rounds, &urgent, &ways)) return NULL;
    Plan *plan = &board->given.plan;
    int *missing = malloc(((size_t)board->program.jobs + 1) * sizeof(int));
    if (!missing) PyErr_NoMemory();
    else if (urgent.len != board->program.nets || tracks < 1 || tracks > 32) refused("a byte for each net, and 1 to 32 tracks");
    else if (plan_of(board, places, prices) && ways_of(&board->program, plan, tracks, &ways)) {
        change_sides(plan, board->sides);
        board->grid.failed = 0;
        if (!grid_begin(&board->grid, plan, tracks, 1.0)) PyErr_NoMemory();
        else out = routed(&board->grid, rounds, urgent.buf, &ways, missing);
    }
    free(missing);
    PyBuffer_Release(&urgent);
    PyBuffer_Release(&ways);
    return out;
}

static PyMethodDef methods[] = {
    {"guess", wires_guess, METH_VARARGS, "What a plan may cost."},
    {"intrusions", wires_intrusions, METH_O, "How much stands in the room of a macro instance that is not its own."},
    {"tried", wires_tried, METH_VARARGS, "What a plan costs in haste."},
    {"changed", wires_changed, METH_VARARGS, "Plans that are one change away."},
    {"under", wires_under, METH_VARARGS, "Plans in which a node stands in the column of a neighbour."},
    {"legal", wires_legal, METH_O, "Whether a plan may be so."},
    {"climbed", wires_climbed, METH_VARARGS, "A plan that no change makes cheaper, as far as the budget goes."},
    {"laid", wires_laid, METH_VARARGS, "The wires of a plan as they lay before it changed, where they can."},
    {"anneal", wires_anneal, METH_VARARGS, "Begins to draw changes by lot."},
    {"better", wires_better, METH_NOARGS, "Draws changes until one is better than all before."},
    {"routed", wires_routed, METH_VARARGS, "All wires, for good."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot type_slots[] = {
    {Py_tp_new, (void *)wires_new},
    {Py_tp_dealloc, (void *)wires_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "The wires of a program, laid for one plan after the other."},
    {0, NULL},
};

static PyType_Spec type_spec = {"sqmagic.board.layout._wires.Wires", sizeof(Wires), 0, Py_TPFLAGS_DEFAULT, type_slots};

static int execute(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &type_spec, NULL);
    const int failed = type ? PyModule_AddObjectRef(module, "Wires", type) || PyModule_AddIntConstant(module, "tracks", TRACKS) : -1;
    Py_XDECREF(type);
    return failed;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "sqmagic.board.layout._wires", "How the wires of a picture lie.", 0, NULL, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__wires(void) { return PyModuleDef_Init(&definition); }
