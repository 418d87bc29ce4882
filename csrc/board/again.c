/* again.c: wires that lie where they lay on the grid of another plan, without a search, if their ends are where they were
 * and nothing is in their way. A way is a wire's source, its corners and its sink. */
#include "board.h"

#include <stdlib.h>

/* --- where lines are afterwards ------------------------------------------------------------------------------------ */

typedef struct {
    int old, now, votes, weight, before;
} Pair;

static int by_place(const void *a, const void *b) {
    const Pair *p = a, *q = b;
    return p->old != q->old ? (p->old > q->old) - (p->old < q->old) : (p->now > q->now) - (p->now < q->now);
}

/* Of pairs of an old place and a new one those, in the same order on both sides, for which most nodes speak: they come first
 * then, and their number is given. */
static int agreed(Pair *pair, int count) {
    if (!count) return 0;
    qsort(pair, (size_t)count, sizeof *pair, by_place);
    int kept = 0;
    for (int k = 0; k < count; k++) {
        if (kept && !by_place(&pair[kept - 1], &pair[k])) pair[kept - 1].votes++;
        else pair[kept] = pair[k], pair[kept++].votes = 1;
    }
    int last = 0;
    for (int k = 0; k < kept; k++) {
        int weight = 0, before = -1;
        for (int j = 0; j < k; j++)
            if (pair[j].old < pair[k].old && pair[j].now < pair[k].now && pair[j].weight >= weight) weight = pair[j].weight, before = j;
        pair[k].weight = weight + pair[k].votes, pair[k].before = before;
        if (pair[k].weight > pair[last].weight) last = k;
    }
    int length = 0;
    for (int k = last; k >= 0; k = pair[k].before) pair[k].votes = 0, length++;
    int at = 0;
    for (int k = 0; k < kept; k++)
        if (!pair[k].votes) pair[at++] = pair[k];
    return length;
}

/* Of each line before its place afterwards: between lines that were kept the others keep their order, and what is gone is
 * pressed together. Upright lines have a border on either side; across there are tracks under the first row and above the
 * last. */
static int lines_between(Pair *kept, int count, int old, int now, int tracks, int border, Ints *lines) {
    const int each = tracks + 1, first = border + tracks;
    int done = ints_room(&lines->item, &lines->room, first + (old + 1) * each, sizeof(int)), a = border - 1, b = border - 1;
    lines->count = 0;
    if (border && done) done = ints_push(lines, 0);
    for (int k = 0; k <= count && done; k++) {
        const int c = first + (k < count ? kept[k].old : old) * each, d = first + (k < count ? kept[k].now : now) * each;
        for (int at = 1; at < c - a && done; at++) done = ints_push(lines, b + (at < d - b - 1 ? at : d - b - 1));
        if (done && (k < count || border)) done = ints_push(lines, d);
        a = c, b = d;
    }
    return done;
}

/* Where the lines of a grid are after a plan has changed: the columns and rows whose nodes went on together keep theirs. */
int carry_lines(const Plan *before, const Plan *after, int tracks, Ints *columns, Ints *rows) {
    const int nodes = before->program->nodes, places = before->at[nodes];
    Pair *pair = calloc((size_t)(nodes + places) + 1, sizeof(Pair));
    if (!pair) return 0;
    for (int k = 0; k < places; k++) pair[k].old = before->column[k], pair[k].now = after->column[k];
    int kept = agreed(pair, places);
    int done = lines_between(pair, kept, before->columns, after->columns, tracks, 1, columns);
    for (int n = 0; n < nodes; n++) pair[n] = (Pair){.old = before->row[n], .now = after->row[n]};
    kept = agreed(pair, nodes);
    done = done && lines_between(pair, kept, before->rows, after->rows, tracks, 0, rows);
    free(pair);
    return done;
}

/* --- as it lay ----------------------------------------------------------------------------------------------------- */

static int level(const Grid *grid, int a, int b) { return grid->row_of[a] == grid->row_of[b]; }

static int toward(const Grid *grid, int a, int b) { return level(grid, a, b) ? (b > a ? E : W) : b > a ? N : S; }

static int step_to(const Grid *grid, int a, int b) {
    const int step = level(grid, a, b) ? 1 : grid->width;
    return b > a ? step : -step;
}

/* Whether a wire may leave and arrive there like that. */
static int ends_fit(const Grid *grid, int job, int start, int end, int leaves, int arrives) {
    const Plan *plan = grid->plan;
    const int net = plan->program->net[job], sink = plan->program->sink[job];
    if (start != grid->start[net] || plan->out[4 * net + leaves] < 0.0 || plan->into[4 * job + arrives] < 0.0) return 0;
    const int first = grid->place_at[sink], last = grid->place_at[sink + 1] - 1;
    for (int k = first; k <= last; k++)
        if (grid->place[k] == end) return arrives == N || k == (arrives == W ? last : first);
    return 0;
}

/* Lays a wire as it lay, if its ends are still where it begins and ends and nothing is in its way. */
int again_lies(Grid *grid, int job, const int *way, int count) {
    const int net = grid->plan->program->net[job], to = grid_allowed(grid, job);
    const int leaves = toward(grid, way[0], way[1]), arrives = toward(grid, way[count - 2], way[count - 1]);
    int *begin = &grid->sides[4 * way[0] + (leaves ^ 2)], *end = &grid->sides[4 * way[count - 1] + arrives];
    if ((*begin != FREE && *begin != net) || (*end != FREE && *end != net)) return 0;
    if (!ends_fit(grid, job, way[0], way[count - 1], leaves, arrives)) return 0;
    for (int k = 0; k + 1 < count; k++) {
        const int step = step_to(grid, way[k], way[k + 1]), *lane = level(grid, way[k], way[k + 1]) ? grid->across : grid->upright;
        const int past = k + 2 < count ? way[k + 1] + step : way[k + 1];
        for (int v = k ? way[k] : way[k] + step; v != past; v += step)
            if ((lane[v] != FREE && lane[v] != net) || grid->closed[v + grid->width] > to) return 0;
    }
    for (int k = 0; k + 1 < count; k++) {
        const int step = step_to(grid, way[k], way[k + 1]), on = toward(grid, way[k], way[k + 1]);
        int *lane = on & 1 ? grid->upright : grid->across;
        for (int v = way[k]; v != way[k + 1]; v += step) {
            const int u = v + step;
            if (v != way[0]) lane[v] = net, grid->ends[v] |= (unsigned char)(1 << on);
            if (u != way[count - 1]) lane[u] = net, grid->ends[u] |= (unsigned char)(1 << (on ^ 2));
        }
    }
    *begin = *end = net;
    return 1;
}

static void grow(Grid *grid, int net, int job, const int *way, int count) {
    const int at = grid->paths.count;
    int done = ints_push(&grid->paths, way[0]);
    for (int k = 0; k + 1 < count && done; k++) {
        const int step = step_to(grid, way[k], way[k + 1]);
        for (int v = way[k]; v != way[k + 1] && done; v += step) {
            done = ints_push(&grid->paths, v + step);
            if (grid->mark[v + step] == grid->stamp) continue;
            grid->mark[v + step] = grid->stamp;
            grid_reach(grid, net, v + step, v);
        }
    }
    if (!done) grid->failed = 1;
    grid->path_at[job] = at, grid->path_length[job] = grid->paths.count - at, grid->path_turn[job] = grid->turn++;
}

/* From where each point of the wires that lie there was reached: their net can go on from there then. Ways are a job, how
 * many points, and those. */
void again_grow(Grid *grid, int net, const Ints *ways) {
    const Program *program = grid->plan->program;
    grid->mark[grid->start[net]] = ++grid->stamp;
    for (int k = 0; k < ways->count; k += 2 + ways->item[k + 1]) {
        const int job = ways->item[k];
        if (program->net[job] != net) continue;
        if (!grid->count[net]) grid_reach(grid, net, grid->start[net], FREE);
        grow(grid, net, job, ways->item + k + 2, ways->item[k + 1]);
    }
}

/* The way on the grid after a change, without corners that are none any more; 0 if it would turn back. */
static int mapped(Grid *grid, const int *way, int count, const int *columns, const int *rows) {
    Ints *out = &grid->way;
    out->count = 0;
    for (int k = 0; k < count; k++) {
        const int x = columns[way[2 * k]], y = rows[way[2 * k + 1]], point = y * grid->width + x;
        if (out->count && out->item[out->count - 1] == point) continue;
        if (out->count > 1) {
            const int p = out->item[out->count - 2], q = out->item[out->count - 1];
            const int a = grid->column_of[p], b = grid->row_of[p], c = grid->column_of[q], d = grid->row_of[q];
            if ((a == c && c == x) || (b == d && d == y)) {
                if ((c - a) * (x - c) < 0 || (d - b) * (y - d) < 0) return 0;
                out->count--;
            }
        }
        if (!ints_push(out, point)) grid->failed = 1;
    }
    return out->count > 1;
}

/* Lays every wire that still can lie as it did before; `ways` have a job, how many points, and their x and y. Those that
 * lie are `kept`, as points. */
int again_as_before(Grid *grid, const Plan *before, const int *ways, int length, Ints *kept) {
    Ints columns = {0}, rows = {0};
    int done = carry_lines(before, grid->plan, grid->tracks, &columns, &rows);
    kept->count = 0;
    for (int k = 0; k < length && done; k += 2 + 2 * ways[k + 1]) {
        if (!mapped(grid, ways + k + 2, ways[k + 1], columns.item, rows.item)) continue;
        if (!again_lies(grid, ways[k], grid->way.item, grid->way.count)) continue;
        done = ints_push(kept, ways[k]) && ints_push(kept, grid->way.count);
        for (int p = 0; p < grid->way.count && done; p++) done = ints_push(kept, grid->way.item[p]);
    }
    free(columns.item);
    free(rows.item);
    return done && !grid->failed;
}
