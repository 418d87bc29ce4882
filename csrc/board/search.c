/* search.c: plans that cost less: a climb that takes the first change that makes the whole cheaper, and lots, by which
 * changes are taken even where they make it dearer by a little, less and less so. The lots are the same everywhere. */
#include "board.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LESS 1e-6
#define SLACK 4.0 /* by how much more than what is there a plan may seem to cost, at a guess, and still be tried */

static int returns(const Board *board, int rail) { return !board->program.rail_of[rail].through; }

/* --- the climb ----------------------------------------------------------------------------------------------------- */

enum { TRIED = 13 }; /* what a wire counts for that is laid, where one whose cost is guessed counts for 1 */

static void all_changes(Board *board, const Plan *plan, const double *blame, Changes *list) {
    const Program *program = &board->program;
    list->count = 0;
    for (int rail = 0; rail < program->rails; rail++) change_heights(plan, rail, list);
    for (int one = 0; one < program->rails; one++)
        for (int other = one + 1; other < program->rails; other++)
            if (returns(board, one) && returns(board, other)) change_together(plan, one, other, list);
    int *order = board->scratch + board->scratch_room - program->nodes;
    for (int n = 0; n < program->nodes; n++) {
        int at = n;
        for (; at && blame[order[at - 1]] < blame[n]; at--) order[at] = order[at - 1];
        order[at] = n;
    }
    for (int k = 0; k < program->nodes; k++) {
        change_places(plan, order[k], list);
        change_levels(plan, order[k], list);
        change_stacks(plan, order[k], list, board->scratch);
    }
    change_columns(plan, list, board->scratch);
}

/* The changes of a plan for which no node is to blame more than others. */
int climb_changes(Board *board, const Plan *plan) {
    double *blame = calloc((size_t)board->program.nodes + 1, sizeof *blame);
    if (!blame || !plan_room(board, plan)) return free(blame), -1;
    all_changes(board, plan, blame, &board->annealing.changes);
    free(blame);
    return board->annealing.changes.count;
}

int climb_change(Board *board, const Laid *at, int which, Laid *then) {
    if (!plan_copy(then, &at->plan) || !plan_room(board, &then->plan)) return -1;
    change_make(&then->plan, &board->annealing.changes.item[which], board->scratch);
    if (!plan_room(board, &then->plan)) return -1;
    return change_is_legal(&then->plan, board->scratch);
}

/* Goes through all changes from the `*begin`-th on until one makes the plan cheaper; 1 if one did. */
static int improved(Board *board, Laid *at, Laid *then, Memory *seen, double *blame, double *guessed, int *begin, double budget, double *spent) {
    Changes *list = &board->annealing.changes;
    const int wires = board->program.jobs;
    double cost;
    all_changes(board, &at->plan, blame, list);
    double *blamed = blame + board->program.nodes;
    for (int k = *begin; k < list->count; k++) {
        const int legal = climb_change(board, at, k, then);
        if (legal < 0) return -1;
        if (!legal) continue;
        Known *known = memory_of(seen, plan_key(&then->plan));
        if (!known) return -1;
        if (known->laid) continue;
        known->laid = 1;
        *spent += wires;
        const double guess = guess_cost(&then->plan);
        if (guess < 0.0) return -1;
        if (guess > *guessed + SLACK) {
            if (*spent > budget) return 0;
            continue;
        }
        const int whole = plan_try(board, &then->plan, at->cost.cost - LESS, &cost, blamed);
        if (whole < 0) return -1;
        *spent += TRIED * wires;
        if (cost < at->cost.cost - LESS) {
            if (!plan_copy(at, &then->plan)) return -1;
            memcpy(blame, blamed, (size_t)board->program.nodes * sizeof *blame);
            at->cost.cost = cost, *guessed = guess, *begin = k;
            return 1;
        }
        if (*spent > budget) return 0;
    }
    return 0;
}

/* Takes the first change that makes the whole cheaper, goes on from there through those that are left and round again, until
 * none does or the budget is spent. 0 where there is no memory. */
int climb(Board *board, Laid *at, double budget) {
    Laid then = {0};
    Memory seen = {0};
    double *blame = malloc(2 * (size_t)(board->program.nodes + 1) * sizeof *blame), spent = 0.0;
    int done = blame && plan_room(board, &at->plan) && plan_try(board, &at->plan, INFINITY, &at->cost.cost, blame) >= 0;
    Known *known = done ? memory_of(&seen, plan_key(&at->plan)) : NULL;
    double guessed = known ? guess_cost(&at->plan) : -1.0;
    done = guessed >= 0.0;
    if (done) known->laid = 1;
    for (int better = 1, begin = 0; done && (better || begin) && spent <= budget;) {
        if (!better) begin = 0;
        better = improved(board, at, &then, &seen, blame, &guessed, &begin, budget, &spent);
        if (better < 0) done = 0, better = 0;
    }
    seen.laid_count = 0;
    memory_clear(&seen);
    laid_drop(&then);
    free(blame);
    return done;
}

/* --- by lot -------------------------------------------------------------------------------------------------------- */

#define DEAR 5.0    /* what each crossing, corner and column costs more that is too many */
#define LOST 240.0  /* and each wire that finds no way */
#define CROSSED 0.4 /* for each wire more crossings, or bends, are too many */
#define BENT 0.8

/* Numbers from 0 up to 1 as if by chance, by Knuth's linear congruence. */
static double lot(Annealing *own) {
    own->lots = own->lots * 6364136223846793005u + 1442695040888963407u;
    return (double)(own->lots >> 11) / 9007199254740992.0;
}

/* Which of so many; FREE of none, for which no lot is drawn. */
static int one_of(Annealing *own, int count) { return count ? (int)(lot(own) * count) : FREE; }

static int returning(Annealing *own, const Board *board) {
    int count = 0;
    for (int rail = 0; rail < board->program.rails; rail++) count += returns(board, rail);
    int which = one_of(own, count);
    for (int rail = 0; rail < board->program.rails && which != FREE; rail++)
        if (returns(board, rail) && !which--) return rail;
    return FREE;
}

/* Draws one change; 0 if there is none of its kind. */
static int draw(Board *board, Change *change) {
    static const double shares[] = {0.25, 0.05, 0.30, 0.15, 0.05};
    Annealing *own = &board->annealing;
    const Plan *plan = &own->now.plan;
    Changes *list = &own->changes;
    double rest = lot(own);
    int kind = 0;
    for (; kind < 5; kind++)
        if ((rest -= shares[kind]) < 0.0) break;
    list->count = 0;
    if (kind == 0) {
        const int rail = one_of(own, board->program.rails);
        if (rail != FREE) change_heights(plan, rail, list);
    } else if (kind == 1) {
        const int one = returning(own, board), other = returning(own, board);
        if (one != other) change_together(plan, one, other, list);
    } else if (kind < 5) {
        const int n = one_of(own, board->program.nodes);
        if (n != FREE && kind == 2) change_places(plan, n, list);
        else if (n != FREE && kind == 3) change_levels(plan, n, list);
        else if (n != FREE) change_stacks(plan, n, list, board->scratch);
    } else {
        const int i = one_of(own, plan->columns), j = one_of(own, plan->columns);
        *change = (Change){MOVE, i, j, 0, 0};
        return i != FREE;
    }
    const int which = one_of(own, list->count);
    if (which != FREE) *change = list->item[which];
    return which != FREE;
}

/* What there is too much of is dear. */
static double weighed(const Annealing *own, const Laid *at) {
    const double crossings = at->cost.crossings - fmax(1.0, CROSSED * own->wires), corners = at->cost.corners - BENT * own->wires;
    const double columns = at->plan.columns - own->columns;
    return at->cost.cost + DEAR * (fmax(0.0, crossings) + fmax(0.0, corners) + fmax(0.0, columns) + at->cost.crooked)
           + LOST * at->cost.missing;
}

static double guessed(Known *known, const Plan *plan) {
    if (isnan(known->guess)) known->guess = guess_cost(plan) + change_standing(plan);
    return known->guess;
}

/* Lays the plan of `then` if it seems worth it at a guess: -1 without memory, 0 if it costs too much. */
static int weigh(Board *board, double most, double least_guess) {
    Annealing *own = &board->annealing;
    Laid *then = &own->then, *afresh = &own->afresh;
    if (least_guess > most - own->now.cost.cost + SLACK) return 0;
    const int laid = plan_lay(board, &then->plan, most, &own->now, then);
    if (laid <= 0) return laid;
    then->cost.cost = weighed(own, then);
    if (!(then->cost.cost < own->least_laid)) return 1;
    if (!plan_copy(afresh, &then->plan)) return -1;
    const int anew = plan_lay(board, &afresh->plan, then->cost.cost, NULL, afresh);
    if (anew < 0) return -1;
    if (anew) afresh->cost.cost = weighed(own, afresh);
    if (anew && afresh->cost.cost < then->cost.cost) {
        const Laid swapped = *then;
        *then = *afresh, *afresh = swapped;
    }
    own->least_laid = then->cost.cost;
    return 1;
}

/* Leaves in `then` what its plan costs: what was laid once lies there still, and what was too dear is not tried again for
 * less. 1 if that is less than `most`. */
static int judged(Board *board, double most) {
    Annealing *own = &board->annealing;
    const uint64_t key = plan_key(&own->then.plan), now = plan_key(&own->now.plan);
    if (key == now) return 0;
    Known *here = memory_of(&own->memory, now);
    if (!here) return -1;
    const double guess_now = guessed(here, &own->now.plan);
    Known *known = memory_of(&own->memory, key);
    if (!known) return -1;
    if (known->laid) {
        const Laid *at = &own->memory.laid[known->laid - 1];
        return at->cost.cost < most ? laid_copy(&own->then, at) ? 1 : -1 : 0;
    }
    if (!(known->refused < most)) return 0;
    const int worth = weigh(board, most, guessed(known, &own->then.plan) - guess_now);
    if (worth < 0) return -1;
    if (!worth) {
        known->refused = most;
        return 0;
    }
    Memory *memory = &own->memory;
    const int before = memory->laid_room;
    if (!ints_room(&memory->laid, &memory->laid_room, memory->laid_count + 1, sizeof(Laid))) return -1;
    if (memory->laid_room > before) memset(memory->laid + before, 0, (size_t)(memory->laid_room - before) * sizeof(Laid));
    if (!laid_copy(&memory->laid[memory->laid_count], &own->then)) return -1;
    known->laid = ++memory->laid_count;
    return own->then.cost.cost < most;
}

/* From a plan with its wires. Of so many changes, one at first may make it worse by `warmth`; what is found is better than
 * all before it, or worse by no more than `nearly`; more columns than so many are too many. */
int anneal_begin(Board *board, const Laid *start, int steps, uint64_t seed, double warmth, double nearly, double columns) {
    Annealing *own = &board->annealing;
    if (!laid_copy(&own->now, start)) return 0;
    own->lots = seed, own->step = 0, own->steps = steps, own->warmth = warmth, own->nearly = nearly;
    own->wires = board->program.jobs, own->columns = columns;
    own->now.cost.cost = own->least = weighed(own, &own->now);
    own->least_laid = INFINITY;
    memory_clear(&own->memory);
    return 1;
}

int anneal_next(Board *board) {
    Annealing *own = &board->annealing;
    while (own->step < own->steps) {
        const int step = own->step++;
        Change change;
        if (!plan_room(board, &own->now.plan)) return -1;
        if (!draw(board, &change)) continue;
        if (!plan_copy(&own->then, &own->now.plan)) return -1;
        change_make(&own->then.plan, &change, board->scratch);
        if (!plan_room(board, &own->then.plan)) return -1;
        if (!change_is_legal(&own->then.plan, board->scratch)) continue;
        const double drawn = lot(own), most = own->now.cost.cost + own->warmth * (1.0 - (double)step / own->steps) * (drawn * drawn);
        const int better = judged(board, most);
        if (better < 0) return -1;
        if (!better) continue;
        const Laid swapped = own->now;
        own->now = own->then, own->then = swapped;
        if (own->now.cost.cost < own->least + own->nearly - LESS) {
            own->least = fmin(own->now.cost.cost, own->least);
            return 1;
        }
    }
    return 0;
}
