/* grid.c: the grid on which wires are laid, made anew for each plan in memory that is kept. */
#include "board.h"

#include <stdlib.h>
#include <string.h>

static const double CENTRE = 0.12, OUTSIDE_TOLL = 0.5; /* what a step across costs more where nodes stand, and outside the cell */

int ints_room(void *items, int *room, int count, size_t item) {
    if (count <= *room) return 1;
    const int more = count + count / 2 + 64;
    void **own = items, *grown = realloc(*own, (size_t)more * item);
    if (!grown) return 0;
    *own = grown;
    *room = more;
    return 1;
}

int ints_push(Ints *list, int value) {
    if (!ints_room(&list->item, &list->room, list->count + 1, sizeof(int))) return 0;
    list->item[list->count++] = value;
    return 1;
}

static void *fresh(void *old, size_t count, size_t item) {
    free(old);
    return calloc(count ? count : 1, item);
}

#define FRESH(field, count) ((field = fresh(field, (size_t)(count), sizeof *(field))) != NULL)

/* What is as large as the program. */
int grid_make(Grid *grid, const Program *program) {
    const int nets = program->nets, jobs = program->jobs;
    return FRESH(grid->start, nets) && FRESH(grid->place_at, program->nodes + 1) && FRESH(grid->head, nets)
           && FRESH(grid->tail, nets) && FRESH(grid->count, nets) && FRESH(grid->path_at, jobs)
           && FRESH(grid->path_length, jobs) && FRESH(grid->path_turn, jobs) && FRESH(grid->order, jobs)
           && FRESH(grid->rest, jobs + 1) && FRESH(grid->urgency, jobs) && FRESH(grid->nearness, jobs)
           && FRESH(grid->among, jobs) && FRESH(grid->urgent, nets);
}

/* A line of points more before the first and after the last, so that whoever looks beyond the grid finds it closed. */
static int room_for(Grid *grid, int size, int line, int places) {
    const int all = size + 2 * line;
    if (all > grid->room) {
        const int room = all + all / 2;
        grid->room = 0;
        if (!(FRESH(grid->node, room) && FRESH(grid->across, room) && FRESH(grid->upright, room) && FRESH(grid->row_of, room)
              && FRESH(grid->column_of, room) && FRESH(grid->sides, 4 * room) && FRESH(grid->from, room)
              && FRESH(grid->mark, room) && FRESH(grid->ends, room) && FRESH(grid->closed, room) && FRESH(grid->goal, room)
              && FRESH(grid->best, 8 * room) && FRESH(grid->came, 8 * room) && FRESH(grid->seen, 8 * room)))
            return 0;
        grid->room = room, grid->search = grid->stamp = 0;
    }
    const int lines = line > places ? line : places;
    if (lines > grid->room_lines) {
        const int room = 2 * lines;
        grid->room_lines = 0;
        if (!(FRESH(grid->toll, room) && FRESH(grid->far_x, room) && FRESH(grid->far_y, room) && FRESH(grid->side_x, room)
              && FRESH(grid->side_y, room) && FRESH(grid->place, room)))
            return 0;
        grid->room_lines = room;
    }
    return 1;
}

void grid_drop(Grid *grid) {
    void *own[] = {
        grid->place_at, grid->place,  grid->start,   grid->node,     grid->across,     grid->upright,    grid->row_of,
        grid->column_of, grid->sides, grid->from,    grid->mark,     grid->ends,       grid->closed,     grid->goal,
        grid->toll,     grid->far_x,  grid->far_y,   grid->side_x,   grid->side_y,     grid->reached,    grid->head,
        grid->tail,     grid->count,  grid->path_at, grid->path_length, grid->path_turn, grid->best,     grid->came,
        grid->seen,     grid->open,   grid->order,   grid->rest,     grid->urgency,    grid->nearness,   grid->among,
        grid->urgent,   grid->paths.item, grid->kept.item, grid->way.item,
    };
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) free(own[k]);
}

static void stand(Grid *grid) {
    const Plan *plan = grid->plan;
    const Program *program = plan->program;
    const int step = grid->tracks + 1, width = grid->width;
    int count = 0, low = 1 << 30, high = -1;
    for (int n = 0; n < program->nodes; n++) {
        const int kind = program->kind[n], y = grid->tracks + plan->row[n] * step, base = y * width;
        grid->place_at[n] = count;
        if (kind & (LEFT | RIGHT)) grid->place[count++] = base + (kind & LEFT ? 0 : width - 1);
        else
            for (int k = plan->at[n]; k < plan->at[n + 1]; k++) grid->place[count++] = base + 1 + grid->tracks + plan->column[k] * step;
        for (int v = grid->place[grid->place_at[n]]; v <= grid->place[count - 1]; v++) grid->node[v] = n;
        if (kind & OUTER) continue;
        low = y < low ? y : low;
        high = y > high ? y : high;
    }
    grid->place_at[program->nodes] = count;
    grid->low = (high < 0 ? 0 : low) - grid->tracks;
    grid->high = (high < 0 ? 0 : high) + grid->tracks;
}

static void close_off(Grid *grid) {
    const int width = grid->width, height = grid->height;
    memset(grid->closed, NEVER, (size_t)(grid->size + 2 * width));
    unsigned char *closed = grid->closed + width;
    for (int y = 0; y < height; y++) {
        const int inside = grid->low <= y && y <= grid->high, centre = y % (grid->tracks + 1) == grid->tracks;
        grid->toll[y] = (centre ? CENTRE : 0.0) + (inside ? 0.0 : OUTSIDE_TOLL);
        for (int x = 1; x < width - 1; x++)
            closed[y * width + x] = grid->node[y * width + x] == FREE ? (inside ? INSIDE : OUTSIDE) : NEVER;
    }
}

/* Where each net leaves its source: for a function its pin, or the end of the box on the rail's side. */
static void begin_nets(Grid *grid) {
    const Plan *plan = grid->plan;
    const Program *program = plan->program;
    for (int net = 0; net < program->nets; net++) {
        const int n = program->source[net], rail = program->rail[n], own = grid->place_at[n];
        const int back = rail != FREE && program->rail_of[rail].leftward;
        int at = back ? own : grid->place_at[n + 1] - 1;
        for (int k = plan->at[n]; k < plan->at[n + 1]; k++)
            if (plan->pin[k] == net) at = own + k - plan->at[n];
        grid->start[net] = grid->place[at];
        grid->head[net] = grid->tail[net] = FREE;
        grid->count[net] = 0;
    }
}

/* An empty grid for a plan; 0 where there is no memory. */
int grid_begin(Grid *grid, const Plan *plan, int tracks, double haste) {
    const int width = 2 + tracks + plan->columns * (tracks + 1), height = tracks + plan->rows * (tracks + 1), size = width * height;
    const int line = width > height ? width : height;
    if (!room_for(grid, size, line, plan->program->nodes + plan->at[plan->program->nodes])) return 0;
    grid->plan = plan, grid->tracks = tracks, grid->haste = haste;
    if (grid->width != width || grid->size != size || grid->row_of[size - 1] != height - 1)
        for (int v = 0; v < size; v++) grid->row_of[v] = v / width, grid->column_of[v] = v % width;
    grid->width = width, grid->height = height, grid->size = size;
    const size_t points = (size_t)size;
    memset(grid->node, 0xff, points * sizeof(int));
    memset(grid->across, 0xff, points * sizeof(int));
    memset(grid->upright, 0xff, points * sizeof(int));
    memset(grid->sides, 0xff, 4 * points * sizeof(int));
    memset(grid->ends, 0, points);
    stand(grid);
    close_off(grid);
    begin_nets(grid);
    memset(grid->path_length, 0, (size_t)plan->program->jobs * sizeof(int));
    grid->reached_count = grid->paths.count = grid->turn = 0;
    grid->work = 0;
    return 1;
}

int grid_heading(int a, int b) { return b - a == 1 ? E : b - a == -1 ? W : b > a ? N : S; }

int grid_allowed(const Grid *grid, int job) { return grid->plan->outer[job] != 0.0 ? OUTSIDE : INSIDE; }

/* Lays a net along points that lie side by side. */
void grid_occupy(Grid *grid, int net, const int *path, int count) {
    for (int k = 0; k + 1 < count; k++) {
        const int a = path[k], b = path[k + 1], way = grid_heading(a, b);
        int *lane = way & 1 ? grid->upright : grid->across;
        if (grid->node[a] == FREE) lane[a] = net, grid->ends[a] |= (unsigned char)(1 << way);
        if (grid->node[b] == FREE) lane[b] = net, grid->ends[b] |= (unsigned char)(1 << (way ^ 2));
    }
}

/* A point more that a net has reached; it is not looked whether it had. */
int grid_reach(Grid *grid, int net, int point, int from) {
    if (!ints_room(&grid->reached, &grid->reached_room, grid->reached_count + 1, sizeof(Reached))) {
        grid->failed = 1;
        return 0;
    }
    const int at = grid->reached_count++;
    grid->reached[at] = (Reached){point, from, FREE};
    if (grid->count[net]++) grid->reached[grid->tail[net]].next = at;
    else grid->head[net] = at;
    grid->tail[net] = at;
    return 1;
}
