/* wire.c: one wire, the cheapest way (A*) to its sink from all of its net that is laid already.
 *
 * A wire never shares a stretch with another net's, crosses only at right angles, and never runs through a node. All sums
 * are made in one order and without contraction, so they are the same everywhere. */
#include "board.h"

#include <stdlib.h>

#define STEP 0.4
#define FORK 0.6
#define BUS 0.2       /* what a step on a bus costs less */
#define EXIT_BEND 7.0 /* a bend on the way out, which should be a straight rail */
enum { PATIENCE = 250 }; /* after so many points a way is no longer sought in haste */

/* --- bends that cannot be avoided ---------------------------------------------------------------------------------- */

static const int DX[] = {1, 0, -1, 0}, DY[] = {0, 1, 0, -1};

/* Bends of a wire that goes `way` and arrives going `end` at what lies (dx, dy) from it, if nothing stood between. */
static int bends_to(int way, int end, int dx, int dy) {
    const int ahead = dx * DX[way] + dy * DY[way], onward = dx * DX[end] + dy * DY[end];
    const int aside = abs(dx * DY[way]) + abs(dy * DX[way]);
    if (way == end) return aside ? (ahead > 0 ? 2 : 4) : ahead >= 0 ? 0 : 4;
    if ((way ^ 2) == end) return aside ? 2 : 4;
    return ahead >= 0 && onward > 0 ? 1 : 3;
}

/* The same for the best of several ways to arrive (bits) at 9 * way + 3 * i + j: only the signs of dx and dy matter, and i
 * and j are 0 where they are 0, 1 where they are positive, else 2. */
static int least_bends(int ways, int at) {
    static const int sign[] = {0, 1, -1};
    int least = 0, found = 0;
    for (int end = 0; end < 4; end++) {
        if (!(ways >> end & 1)) continue;
        const int bends = bends_to(at / 9, end, sign[at % 9 / 3], sign[at % 3]);
        if (!found++ || bends < least) least = bends;
    }
    return least;
}

/* The least that the first wire of a net can cost. */
double wire_nearest(const Grid *grid, int job) {
    const Plan *plan = grid->plan;
    const int net = plan->program->net[job], sink = plan->program->sink[job], start = grid->start[net];
    const int first = grid->column_of[grid->place[grid->place_at[sink]]];
    const int last = grid->column_of[grid->place[grid->place_at[sink + 1] - 1]];
    const int x = grid->column_of[start], dy = grid->row_of[grid->place[grid->place_at[sink]]] - grid->row_of[start];
    const int dx = first > x ? first - x : last < x ? last - x : 0;
    const int side = (dx > 0 ? 3 : dx ? 6 : 0) + (dy > 0 ? 1 : dy ? 2 : 0);
    int ways = 0, turns = 4;
    for (int way = 0; way < 4; way++) ways |= (plan->into[4 * job + way] >= 0.0) << way;
    for (int way = 0; way < 4; way++) {
        const int own = plan->out[4 * net + way] >= 0.0 ? least_bends(ways, 9 * way + side) : 4;
        if (own < turns) turns = own;
    }
    return STEP * (abs(dx) + abs(dy)) + plan->bend * turns;
}

/* --- where it begins and ends -------------------------------------------------------------------------------------- */

typedef struct {
    int job, net, sink, bus, ways, goals, first, last, row; /* goals lie in one row, from column `first` to `last` */
    double unit, bend;
    const double *into;
} Wire;

static int is_free(const Grid *grid, int place, int way, int net) {
    const int owner = grid->sides[4 * place + way];
    return owner == FREE || owner == net;
}

/* Whether a wire may come to the k-th of a node's `count` places in a direction: into a block from the side at its ends. */
static int comes(int way, int k, int count) { return way == N || k == (way == W ? count - 1 : 0); }

/* Bits of the directions in which a wire may arrive at each place. */
static void aim(Grid *grid, Wire *wire) {
    const int *place = grid->place + grid->place_at[wire->sink], count = grid->place_at[wire->sink + 1] - grid->place_at[wire->sink];
    for (int k = 0; k < count; k++) {
        int ways = 0;
        for (int way = 0; way < 4; way++)
            if (wire->into[way] >= 0.0 && comes(way, k, count) && is_free(grid, place[k], way, wire->net)) ways |= 1 << way;
        grid->goal[place[k] + grid->width] = (unsigned char)ways;
        if (!ways) continue;
        const int x = grid->column_of[place[k]];
        wire->first = wire->goals && wire->first < x ? wire->first : x;
        wire->last = wire->goals && wire->last > x ? wire->last : x;
        wire->row = grid->row_of[place[k]];
        wire->ways |= ways;
        wire->goals++;
    }
}

static void forget(Grid *grid, const Wire *wire) {
    for (int k = grid->place_at[wire->sink]; k < grid->place_at[wire->sink + 1]; k++) grid->goal[grid->place[k] + grid->width] = 0;
}

static int comes_first(const Open *a, const Open *b) {
    if (a->total != b->total) return a->total < b->total;
    if (a->order != b->order) return a->order > b->order; /* what was found later goes on first */
    if (a->cost != b->cost) return a->cost < b->cost;
    return a->state < b->state;
}

static void push(Grid *grid, Open found) {
    if (!ints_room(&grid->open, &grid->open_room, grid->open_count + 1, sizeof(Open))) {
        grid->failed = 1;
        return;
    }
    Open *open = grid->open;
    int at = grid->open_count++;
    for (; at && comes_first(&found, &open[(at - 1) / 2]); at = (at - 1) / 2) open[at] = open[(at - 1) / 2];
    open[at] = found;
}

static Open pop(Grid *grid) {
    Open *open = grid->open;
    const Open least = open[0], last = open[--grid->open_count];
    const int count = grid->open_count;
    int at = 0;
    for (int child = 1; child < count; at = child, child = 2 * at + 1) {
        child += child + 1 < count && comes_first(&open[child + 1], &open[child]);
        if (!comes_first(&open[child], &last)) break;
        open[at] = open[child];
    }
    if (count) open[at] = last;
    return least;
}

/* For the least that the rest can cost from a point (x, y): steps, and on which side the goals lie. In haste more than
 * that, which finds a way sooner that may not be the cheapest. */
static void look_ahead(Grid *grid, const Wire *wire) {
    for (int x = 0; x < grid->width; x++) {
        grid->far_x[x] = wire->unit * (x < wire->first ? wire->first - x : x > wire->last ? x - wire->last : 0);
        grid->side_x[x] = x < wire->first ? 3 : x > wire->last ? 6 : 0;
    }
    for (int y = 0; y < grid->height; y++) {
        grid->far_y[y] = wire->unit * abs(wire->row - y);
        grid->side_y[y] = y < wire->row ? 1 : y > wire->row ? 2 : 0;
    }
}

/* --- the search ---------------------------------------------------------------------------------------------------- */

/* Offers a state, `point * 4 + direction`, if this is the cheapest way to it so far. One that has arrived lies beyond the
 * grid, so that a wire may come back to the node that it left. */
typedef struct {
    Grid *grid;
    double turning[36];
    int count; /* of states that were found */
} Search;

static void offer(Search *search, int state, int point, int before, double cost, double margin, int arrived) {
    Grid *grid = search->grid;
    const int known = grid->seen[state] == grid->search;
    if (!(cost < (known ? grid->best[state] : 1e9) - margin)) return;
    if (!known) grid->seen[state] = grid->search, search->count++;
    grid->best[state] = cost;
    grid->came[state] = before;
    double rest = 0.0;
    if (!arrived) {
        const int x = grid->column_of[point], y = grid->row_of[point];
        rest = grid->far_x[x] + grid->far_y[y] + search->turning[9 * (state & 3) + grid->side_x[x] + grid->side_y[y]];
    }
    push(grid, (Open){cost + rest, cost, search->count, state});
}

/* From the source if nothing is laid yet, else from any free point of what is, in any direction that is free. */
static void begin(Search *search, const Wire *wire) {
    Grid *grid = search->grid;
    const Plan *plan = grid->plan;
    const int net = wire->net, start = grid->start[net], tree = grid->count[net] > 0;
    for (int way = 0; way < 4 && !(tree && wire->bus); way++) {
        const double cost = plan->out[4 * net + way];
        if (cost >= 0.0 && grid->sides[4 * start + (way ^ 2)] == FREE)
            offer(search, 4 * start + way, start, FREE, cost + (tree ? FORK : 0.0), 0.0, 0);
    }
    for (int k = tree ? grid->head[net] : FREE; k != FREE; k = grid->reached[k].next) {
        const int v = grid->reached[k].point;
        grid->from[v] = grid->reached[k].from;
        if (grid->node[v] != FREE || (grid->across[v] != FREE && grid->across[v] != net)
            || (grid->upright[v] != FREE && grid->upright[v] != net))
            continue;
        for (int way = 0; way < 4; way++)
            if (!(grid->ends[v] >> way & 1)) offer(search, 4 * v + way, v, FREE, FORK, 0.0, 0);
    }
    if (!tree) grid->from[start] = FREE;
}

static double toll_of(const Grid *grid, const Wire *wire, int row) {
    return wire->bus && row == grid->row_of[grid->start[wire->net]] ? -BUS : grid->toll[row];
}

/* One step on: straight, or with a turn. */
static void step_on(Search *search, const Wire *wire, const Open *now, int turn, int to) {
    Grid *grid = search->grid;
    const int v = now->state >> 2, width = grid->width;
    const int u = v + (turn == E ? 1 : turn == N ? width : turn == W ? -1 : -width);
    const int *along = turn & 1 ? grid->upright : grid->across, *against = turn & 1 ? grid->across : grid->upright;
    const int through = turn & 1 ? 1 << E | 1 << W : 1 << N | 1 << S;
    double more = turn & 1 ? now->cost + STEP : now->cost + STEP + toll_of(grid, wire, grid->row_of[v]);
    if (turn != (now->state & 3)) more += wire->bend;
    const int ways = grid->goal[u + width];
    if (ways) {
        if (ways >> turn & 1) offer(search, 4 * (u + grid->size) + turn, u, now->state, more + wire->into[turn], 1e-9, 1);
        return;
    }
    if (grid->closed[u + width] > to || along[u] != FREE) return;
    if (against[u] != FREE) {
        if (against[u] == wire->net || grid->ends[u] != through) return;
        more += grid->plan->crossing;
    }
    offer(search, 4 * u + turn, u, now->state, more, 1e-9, 0);
}

/* The points of a way that was found, backwards. */
static int trace(Grid *grid, int state) {
    grid->way.count = 0;
    for (; state != FREE; state = grid->came[state])
        if (!ints_push(&grid->way, (state >> 2) % grid->size)) return 0;
    return 1;
}

/* Leaves the points of the way in `grid->way`, from the sink to where it leaves the net; -1 without a way, else the
 * direction in which it arrives. What leaves a net goes straight on at first, as does what crosses. */
static int sought(Grid *grid, const Wire *wire) {
    static const int turns[4][3] = {{E, N, S}, {N, E, W}, {W, N, S}, {S, E, W}};
    Search search = {grid, {0.0}, 0};
    for (int k = 0; k < 36; k++) search.turning[k] = grid->haste * wire->bend * least_bends(wire->ways, k);
    look_ahead(grid, wire);
    grid->search++, grid->open_count = 0;
    begin(&search, wire);
    const int most = grid->haste > 1.0 ? PATIENCE : 4 * grid->size, to = grid_allowed(grid, wire->job), arrived = 4 * grid->size;
    for (int work = 0; grid->open_count && !grid->failed && work < most;) {
        const Open now = pop(grid);
        if (now.cost > grid->best[now.state]) continue;
        work++, grid->work++;
        if (now.state >= arrived) return trace(grid, now.state) ? now.state & 3 : -1;
        const int v = now.state >> 2, way = now.state & 3;
        const int straight = grid->came[now.state] == FREE || grid->across[v] != FREE || grid->upright[v] != FREE;
        for (int k = 0; k < (straight ? 1 : 3); k++) step_on(&search, wire, &now, turns[way][k], to);
    }
    return -1;
}

/* Straight from the source to the sink, where that is the one way out and a good way in and nothing is between. The search
 * would find the same, in so many steps: from point to point it has less before it than anywhere aside. */
static int straight(Grid *grid, const Wire *wire) {
    const int net = wire->net, v = grid->start[net];
    if (grid->count[net] || wire->goals != 1) return -1;
    int way = -1, ways = 0;
    for (int out = 0; out < 4; out++)
        if (grid->plan->out[4 * net + out] >= 0.0 && grid->sides[4 * v + (out ^ 2)] == FREE) way = out, ways++;
    if (ways != 1 || !(wire->ways >> way & 1) || wire->into[way] != 0.0) return -1;
    const int goal = wire->row * grid->width + wire->first, far = goal - v, row = grid->row_of[v];
    const int step = way == E ? 1 : way == N ? grid->width : way == W ? -1 : -grid->width;
    if ((far > 0) != (step > 0) || !far || far % step) return -1;
    if (!(way & 1) && (row != wire->row || STEP + toll_of(grid, wire, row) > wire->unit)) return -1;
    const int to = grid_allowed(grid, wire->job);
    for (int u = v + step; u != goal; u += step)
        if (grid->closed[u + grid->width] > to || grid->across[u] != FREE || grid->upright[u] != FREE) return -1;
    grid->way.count = 0;
    for (int u = goal;; u -= step) {
        if (!ints_push(&grid->way, u)) return -1;
        if (u == v) break;
    }
    grid->from[v] = FREE;
    grid->work += grid->way.count;
    return way;
}

/* Writes the whole way of a wire, from the source, into the paths; says how many of its points are new. */
static int take(Grid *grid, const Wire *wire, int way) {
    const int net = wire->net, begins = grid->way.count - 1, first = grid->way.item[begins], start = grid->start[net];
    const int at = grid->paths.count;
    int before = 0;
    for (int v = first; v != FREE; v = grid->from[v]) before++;
    const int length = before + begins;
    if (!ints_room(&grid->paths.item, &grid->paths.room, at + length, sizeof(int))) {
        grid->failed = 1;
        return 0;
    }
    int *path = grid->paths.item + at;
    for (int v = first, k = before; v != FREE; v = grid->from[v]) path[--k] = v;
    for (int k = 0; k < begins; k++) path[before + k] = grid->way.item[begins - 1 - k];
    grid->paths.count += length;
    grid->path_at[wire->job] = at, grid->path_length[wire->job] = length, grid->path_turn[wire->job] = grid->turn++;
    if (!grid->count[net]) grid_reach(grid, net, start, FREE);
    for (int k = before; k < length; k++)
        if (path[k] != start) grid_reach(grid, net, path[k], path[k - 1]); /* a node may feed itself, in a faulty program */
    grid_occupy(grid, net, path + before - 1, begins + 1);
    grid->sides[4 * path[length - 1] + way] = net;
    if (first == start) grid->sides[4 * start + (grid_heading(first, path[before]) ^ 2)] = net;
    return begins;
}

int wire_lay(Grid *grid, int job) {
    const Program *program = grid->plan->program;
    const int net = program->net[job], sink = program->sink[job], bus = program->kind[program->source[net]] & MERGE;
    Wire wire = {.job = job, .net = net, .sink = sink, .bus = bus, .into = grid->plan->into + 4 * job};
    wire.unit = grid->haste * (bus ? STEP - BUS : STEP);
    wire.bend = program->kind[sink] & EXIT ? EXIT_BEND : grid->plan->bend;
    aim(grid, &wire);
    int way = -1;
    if (wire.goals) way = straight(grid, &wire);
    if (wire.goals && way < 0) way = sought(grid, &wire);
    forget(grid, &wire);
    return way < 0 ? 0 : take(grid, &wire, way);
}
