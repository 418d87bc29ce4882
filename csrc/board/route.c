/* route.c: all wires, one after the other in an order that is fixed, and what they cost. */
#include "board.h"

#include <stdlib.h>
#include <string.h>

#define STEP 0.4
#define MISSING 60.0 /* what a wire that finds no way counts for */
#define LONG 5.0
#define CLIMB 10.0
#define CROOKED 30.0
#define WINDING 4.0 /* each bend that one wire has beyond so many: the eye no longer follows it */
enum { FOLLOWED = 4, ENOUGH = 100000, EVERY = 15 };

/* --- the order of work --------------------------------------------------------------------------------------------- */

static int span(const Grid *grid, int net) {
    const Program *program = grid->plan->program;
    int left = grid->column_of[grid->start[net]], right = left, low = grid->row_of[grid->start[net]], high = low;
    for (int job = program->first[net]; job < program->first[net + 1]; job++) {
        const int v = grid->place[grid->place_at[program->sink[job]]], x = grid->column_of[v], y = grid->row_of[v];
        left = x < left ? x : left, right = x > right ? x : right;
        low = y < low ? y : low, high = y > high ? y : high;
    }
    return right - left + high - low;
}

/* Rails are first; then what stands straight above, then buses, then by length, exits last. */
static double urgency(const Grid *grid, const char *urgent, int job, int *then) {
    const Program *program = grid->plan->program;
    const int net = program->net[job], sink = program->sink[job], source = program->source[net];
    const int start = grid->start[net], end = grid->place[grid->place_at[sink]];
    const int dx = abs(grid->column_of[start] - grid->column_of[end]), dy = abs(grid->row_of[start] - grid->row_of[end]);
    const int leaves = program->kind[source], comes = program->kind[sink];
    if (urgent && urgent[net]) return *then = dx + dy, 0.5;
    if (!dx && !(leaves & ENTRY) && !(comes & EXIT))
        return *then = dy, abs(grid->plan->row[sink] - grid->plan->row[source]) <= 1 ? 1.0 : 2.0;
    if (leaves & MERGE) return *then = -dx, 3.0;
    *then = span(grid, net);
    return comes & EXIT ? (leaves & HANGING ? 3.5 : 4.2) : 4.0;
}

static int rail_jobs(const Grid *grid, const char *among, char *known, int *order) {
    const Program *program = grid->plan->program;
    int count = 0, bus = FREE, rail = FREE;
    for (int k = 0; k < program->lines; k++) {
        const Line *line = &program->line[k];
        if (line->rail != rail) rail = line->rail, bus = FREE;
        if (line->merge != FREE) {
            if (bus == FREE && grid->plan->row[line->merge] == grid->plan->row[program->rail_of[rail].entry]) bus = line->merge;
            if (bus != line->merge) continue;
        }
        if (known[line->job] || (among && !among[line->job])) continue;
        known[line->job] = 1;
        order[count++] = line->job;
    }
    return count;
}

/* All jobs or some, in the order in which they are laid. */
int order_jobs(Grid *grid, const char *urgent, const char *among, int *order) {
    const Program *program = grid->plan->program;
    char *known = calloc((size_t)program->jobs + 1, 1);
    if (!known) return grid->failed = 1, 0;
    const int first = rail_jobs(grid, among, known, order);
    int count = first;
    for (int job = 0; job < program->jobs; job++) {
        if (known[job] || (among && !among[job])) continue;
        int then, at = count++;
        const double when = urgency(grid, urgent, job, &then);
        for (; at > first; at--) { /* of equals the one with the lesser net, then the lesser sink, is first */
            const int other = order[at - 1];
            const int same = grid->urgency[other] == when && grid->nearness[other] == then && program->net[other] == program->net[job];
            if (!(grid->urgency[other] > when || (grid->urgency[other] == when && grid->nearness[other] > then)
                  || (same && program->sink[other] > program->sink[job])))
                break;
            order[at] = other;
        }
        order[at] = job, grid->urgency[job] = when, grid->nearness[job] = then;
    }
    free(known);
    return count;
}

/* --- what one wire costs ------------------------------------------------------------------------------------------- */

static int is_corner(const int *path) { return path[1] - path[0] != path[2] - path[1]; }

static int bends(const int *path, int count) {
    int found = 0;
    for (int k = 0; k + 2 < count; k++) found += is_corner(path + k);
    return found;
}

static int crosses(const Grid *grid, int v) {
    return grid->across[v] != FREE && grid->upright[v] != FREE && grid->across[v] != grid->upright[v];
}

/* What a wire of so many bends, up to that row, costs more: a rail that is not straight, or a long way out for a returning
 * state. */
static double detour(const Grid *grid, int job, int turns, int highest) {
    const Program *program = grid->plan->program;
    const int sink = program->sink[job], source = program->source[program->net[job]], rail = program->rail[source];
    if (rail != FREE && program->rail_of[rail].through && (sink == program->rail_of[rail].exit || program->rail[sink] == rail))
        return CROOKED * turns;
    if (!(program->kind[sink] & EXIT)) return 0.0;
    const int end = grid->row_of[grid->place[grid->place_at[sink + 1] - 1]], begin = grid->row_of[grid->place[grid->place_at[source]]];
    const int climbs = highest > (end > begin ? end : begin) + grid->tracks + 1;
    return LONG * (turns > 2 ? turns - 2 : 0) + (climbs ? CLIMB : 0.0);
}

static double detour_of(const Grid *grid, int job) {
    const int *path = grid->paths.item + grid->path_at[job], length = grid->path_length[job];
    int highest = 0;
    for (int k = 0; k < length; k++) highest = path[k] > highest ? path[k] : highest;
    return length ? detour(grid, job, bends(path, length), highest / grid->width) : 0.0;
}

/* Lays one wire, and says what it adds to the whole. */
static double added(Grid *grid, int job) {
    const Plan *plan = grid->plan;
    const int fresh = wire_lay(grid, job);
    if (!fresh) return MISSING;
    const int *path = grid->paths.item + grid->path_at[job], length = grid->path_length[job];
    const int turns = bends(path, length), parted = length - fresh - 2 > 0 ? length - fresh - 2 : 0;
    int crossings = 0;
    for (int k = length - fresh; k < length; k++) crossings += crosses(grid, path[k]);
    const double winding = turns > FOLLOWED ? WINDING * (turns - FOLLOWED) : 0.0;
    const int own = bends(path + parted, length - parted);
    return STEP * fresh + plan->bend * own + winding + plan->crossing * crossings + detour_of(grid, job);
}

/* Whether a wire bends though it could go straight up from its source to its sink: nothing that one sees stands between (a
 * merge is but lines that meet), and nothing else runs along there. */
static int is_crooked(const Grid *grid, int job, int turns, int start, int end) {
    const Program *program = grid->plan->program;
    const int kinds = program->kind[program->source[program->net[job]]] | program->kind[program->sink[job]];
    if (!turns || kinds & (ENTRY | EXIT | MERGE) || start >= end || grid->column_of[start] != grid->column_of[end]) return 0;
    for (int v = start + grid->width; v < end; v += grid->width)
        if ((grid->node[v] != FREE && !(program->kind[grid->node[v]] & MERGE)) || (grid->upright[v] != FREE && grid->upright[v] != program->net[job])) return 0;
    return 1;
}

int route_crooked(const Grid *grid) {
    int found = 0;
    for (int job = 0; job < grid->plan->program->jobs; job++) {
        const int *path = grid->paths.item + grid->path_at[job], length = grid->path_length[job];
        found += length && is_crooked(grid, job, bends(path, length), path[0], path[length - 1]);
    }
    return found;
}

/* --- a plan in haste ----------------------------------------------------------------------------------------------- */

/* Lays every wire once, but gives up as soon as the whole costs more than `most`; `blame` is what of it lies with each node.
 * Says whether it was not given up. */
int price_tried(Grid *grid, double most, double *cost, double *blame) {
    const Program *program = grid->plan->program;
    const int count = order_jobs(grid, NULL, NULL, grid->order);
    char *begun = grid->urgent;
    memset(begun, 0, (size_t)program->nets);
    for (int k = 0; k < count; k++) { /* of each net the first that is laid goes all the way from the source */
        const int job = grid->order[k];
        grid->rest[k] = begun[program->net[job]] ? STEP : wire_nearest(grid, job);
        begun[program->net[job]] = 1;
    }
    for (int k = count - 2; k >= 0; k--) grid->rest[k] = grid->rest[k + 1] + grid->rest[k];
    *cost = change_standing(grid->plan);
    for (int k = 0; k < count && !grid->failed; k++) {
        const int job = grid->order[k];
        if (*cost + grid->rest[k] > most) {
            *cost += grid->rest[k];
            return 0;
        }
        const double price = added(grid, job);
        *cost += price;
        blame[program->sink[job]] += price;
        blame[program->source[program->net[job]]] += price;
    }
    return 1;
}

/* --- by difference ------------------------------------------------------------------------------------------------- */

/* What the wires that lie there cost, with the places of nodes, and their crossings and corners. */
static Cost cost_of(Grid *grid, const Ints *ways) {
    const Plan *plan = grid->plan;
    int points = 0, lying = 0;
    double winding = 0.0, more = 0.0;
    Cost out = {0};
    for (int v = 0; v < grid->size; v++) {
        points += (grid->across[v] != FREE) + (grid->upright[v] != FREE);
        out.crossings += grid->ends[v] == EVERY && grid->across[v] != grid->upright[v];
    }
    const int stamp = ++grid->stamp;
    for (int k = 0; k < ways->count; k += 2 + ways->item[k + 1], lying++) {
        const int *way = ways->item + k + 2, turns = ways->item[k + 1] - 2;
        int highest = grid->row_of[way[0]];
        for (int p = 1; p <= turns; p++) out.corners += grid->mark[way[p]] != stamp, grid->mark[way[p]] = stamp;
        for (int p = 1; p <= turns + 1; p++) highest = grid->row_of[way[p]] > highest ? grid->row_of[way[p]] : highest;
        if (turns > FOLLOWED) winding += WINDING * (turns - FOLLOWED);
        if (turns > 0) more += detour(grid, ways->item[k], turns, highest);
        out.crooked += is_crooked(grid, ways->item[k], turns, way[0], way[turns + 1]);
    }
    const double length = STEP * (points - out.corners + lying);
    out.cost = change_standing(plan) + length + plan->bend * out.corners + plan->crossing * out.crossings + (winding + more);
    return out;
}

static int keep_corners(Grid *grid, int job, Ints *ways) {
    const int *path = grid->paths.item + grid->path_at[job], length = grid->path_length[job], at = ways->count + 1;
    if (!length) return 1;
    int done = ints_push(ways, job) && ints_push(ways, 0) && ints_push(ways, path[0]);
    for (int k = 1; k + 1 < length && done; k++)
        if (is_corner(path + k - 1)) done = ints_push(ways, path[k]);
    done = done && ints_push(ways, path[length - 1]);
    if (done) ways->item[at] = ways->count - at - 1;
    return done;
}

static int count_ways(const Ints *ways) {
    int count = 0;
    for (int k = 0; k < ways->count; k += 2 + ways->item[k + 1]) count++;
    return count;
}

/* Lays what is not kept, but gives up as soon as the whole costs more than `most`; `kept` gets the new ways too. Says
 * whether it was not given up. */
int price_laid(Grid *grid, Ints *kept, double most, Cost *cost) {
    const Program *program = grid->plan->program;
    char *anew = grid->urgent, *among = grid->among;
    memset(among, 1, (size_t)program->jobs);
    memset(anew, 0, (size_t)program->nets);
    for (int k = 0; k < kept->count; k += 2 + kept->item[k + 1]) among[kept->item[k]] = 0, anew[program->net[kept->item[k]]] = 1;
    const int lying = count_ways(kept), count = order_jobs(grid, NULL, among, grid->order);
    double least = cost_of(grid, kept).cost, rests = 0.0;
    for (int k = 0; k < count; k++) {
        const int job = grid->order[k], net = program->net[job];
        grid->rest[k] = anew[net] ? STEP : wire_nearest(grid, job);
        anew[net] = 1;
        rests += grid->rest[k];
    }
    least += rests;
    if (least > most) return 0;
    for (int k = 0, grown = FREE; k < program->jobs; k++) {
        if (!among[k] || program->net[k] == grown) continue;
        grown = program->net[k];
        again_grow(grid, grown, kept);
    }
    for (int k = 0; k < count && !grid->failed; k++) {
        least += added(grid, grid->order[k]) - grid->rest[k];
        if (least > most) return 0;
    }
    for (int k = 0; k < count; k++)
        if (!keep_corners(grid, grid->order[k], kept)) grid->failed = 1;
    *cost = cost_of(grid, kept);
    cost->anew = count_ways(kept) - lying;
    cost->missing = count - cost->anew;
    cost->cost += MISSING * cost->missing;
    return cost->cost < most;
}

/* --- for good ------------------------------------------------------------------------------------------------------ */

/* What the wires of one net cost: corners that they share once, more where the eye no longer follows, length and crossings
 * once, and wires that found no way. */
static double net_cost(Grid *grid, int net) {
    const Program *program = grid->plan->program;
    const int stamp = ++grid->stamp;
    int corners = 0, crossed = 0;
    double more = 0.0;
    for (int k = 0; k < program->jobs; k++) {
        const int job = grid->order[k];
        if (program->net[job] != net) continue;
        const int *path = grid->paths.item + grid->path_at[job], length = grid->path_length[job];
        int own = 0;
        for (int p = 1; p + 1 < length; p++) {
            if (!is_corner(path + p - 1)) continue;
            own++;
            corners += grid->mark[path[p]] != stamp;
            grid->mark[path[p]] = stamp;
        }
        more += length ? WINDING * (own > FOLLOWED ? own - FOLLOWED : 0) : MISSING;
    }
    for (int k = grid->count[net] ? grid->head[net] : FREE; k != FREE; k = grid->reached[k].next) crossed += crosses(grid, grid->reached[k].point);
    return grid->plan->bend * corners + more + STEP * grid->count[net] + grid->plan->crossing * crossed;
}

/* Corners that one sees: those that a net's wires share once. */
int route_corners(Grid *grid) {
    const int stamp = ++grid->stamp;
    int corners = 0;
    for (int job = 0; job < grid->plan->program->jobs; job++) {
        const int *path = grid->paths.item + grid->path_at[job];
        for (int k = 1; k + 1 < grid->path_length[job]; k++) {
            if (!is_corner(path + k - 1)) continue;
            corners += grid->mark[path[k]] != stamp;
            grid->mark[path[k]] = stamp;
        }
    }
    return corners;
}

static double whole_cost(Grid *grid) {
    const Program *program = grid->plan->program;
    double total = 0.0, detours = 0.0;
    int crossed = 0;
    for (int net = 0; net < program->nets; net++) total += net_cost(grid, net);
    for (int v = 0; v < grid->size; v++) crossed += crosses(grid, v);
    for (int k = 0; k < program->jobs; k++) detours += detour_of(grid, grid->order[k]);
    return total - grid->plan->crossing / 2 * crossed + detours;
}

/* The sides of nodes at which a net's wires begin and end. */
static void hold_sides(Grid *grid, int net, int owner) {
    const Program *program = grid->plan->program;
    for (int job = program->first[net]; job < program->first[net + 1]; job++) {
        const int *path = grid->paths.item + grid->path_at[job], length = grid->path_length[job];
        if (!length) continue;
        grid->sides[4 * path[0] + (grid_heading(path[0], path[1]) ^ 2)] = owner;
        grid->sides[4 * path[length - 1] + grid_heading(path[length - 2], path[length - 1])] = owner;
    }
}

static void take_up(Grid *grid, int net) {
    const Program *program = grid->plan->program;
    hold_sides(grid, net, FREE);
    for (int k = grid->count[net] ? grid->head[net] : FREE; k != FREE; k = grid->reached[k].next) {
        const int v = grid->reached[k].point;
        if (grid->across[v] == net) grid->across[v] = FREE, grid->ends[v] &= 1 << N | 1 << S;
        if (grid->upright[v] == net) grid->upright[v] = FREE, grid->ends[v] &= 1 << E | 1 << W;
    }
    grid->count[net] = 0;
    for (int job = program->first[net]; job < program->first[net + 1]; job++) grid->path_length[job] = 0;
}

/* Takes each net up once and lays it again; what makes its cost lower stays. Says whether anything did. `saved` is for the
 * place, length and turn of each job's path. */
static int relay(Grid *grid, int *saved) {
    const Program *program = grid->plan->program;
    const int jobs = program->jobs;
    int better = 0;
    for (int net = 0; net < program->nets && !grid->failed; net++) {
        const double before = net_cost(grid, net);
        const int head = grid->head[net], tail = grid->tail[net], count = grid->count[net];
        memcpy(saved, grid->path_at, (size_t)jobs * sizeof(int));
        memcpy(saved + jobs, grid->path_length, (size_t)jobs * sizeof(int));
        memcpy(saved + 2 * jobs, grid->path_turn, (size_t)jobs * sizeof(int));
        take_up(grid, net);
        for (int k = 0; k < jobs; k++)
            if (program->net[grid->order[k]] == net) wire_lay(grid, grid->order[k]);
        if (!(net_cost(grid, net) > before - 1e-6)) {
            better = 1;
            continue;
        }
        take_up(grid, net);
        grid->head[net] = head, grid->tail[net] = tail, grid->count[net] = count;
        for (int job = program->first[net]; job < program->first[net + 1]; job++) {
            grid->path_at[job] = saved[job], grid->path_length[job] = saved[jobs + job], grid->path_turn[job] = grid->turn;
            for (int k = program->first[net]; k < program->first[net + 1]; k++)
                grid->path_turn[job] += saved[2 * jobs + k] < saved[2 * jobs + job];
        }
        grid->turn += program->first[net + 1] - program->first[net];
        hold_sides(grid, net, net);
        for (int k = count ? head : FREE; k != FREE; k = grid->reached[k].next) {
            const int step[] = {grid->reached[k].from, grid->reached[k].point};
            if (step[0] != FREE) grid_occupy(grid, net, step, 2);
        }
    }
    return better;
}

/* Lays what is not `lying`, and takes each net up and lays it again for at most so many rounds, fewer where a lot was
 * searched already. Gives the cost; `missing` are the jobs that found no way. */
double route_all(Grid *grid, int rounds, const char *urgent, const Ints *lying, int *missing, int *missing_count) {
    const Program *program = grid->plan->program;
    const int jobs = program->jobs;
    int *saved = calloc((size_t)jobs * 3 + 1, sizeof(int));
    *missing_count = 0;
    if (!saved) return grid->failed = 1, 0.0;
    order_jobs(grid, urgent, NULL, grid->order);
    for (int net = 0; net < program->nets && lying->count; net++) again_grow(grid, net, lying);
    double cost = 0.0;
    for (int k = 0; k < jobs && !grid->failed; k++)
        if (!grid->path_length[grid->order[k]]) cost += added(grid, grid->order[k]);
    if (lying->count) cost = whole_cost(grid);
    for (int round = 0; round < rounds && grid->work <= ENOUGH && !grid->failed; round++) {
        if (!relay(grid, saved)) break;
        cost = whole_cost(grid);
    }
    for (int k = 0; k < jobs; k++)
        if (!grid->path_length[grid->order[k]]) missing[(*missing_count)++] = grid->order[k];
    free(saved);
    return cost;
}
