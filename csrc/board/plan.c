/* plan.c: plans that are kept, laid and remembered. */
#include "board.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t numbers_of(const Plan *plan) {
    const int nodes = plan->program->nodes;
    return 3 * (size_t)nodes + 1 + 2 * (size_t)plan->at[nodes];
}

/* The numbers of a plan lie in one piece: rows, where columns begin, columns, pins, who has pins. */
int plan_copy(Laid *to, const Plan *from) {
    const int nodes = from->program->nodes, count = (int)numbers_of(from);
    if (!ints_room(&to->numbers.item, &to->numbers.room, count, sizeof(int))) return 0;
    memcpy(to->numbers.item, from->row, (size_t)count * sizeof(int));
    to->plan = *from;
    to->plan.row = to->numbers.item, to->plan.at = to->plan.row + nodes, to->plan.column = to->plan.at + nodes + 1;
    to->plan.pin = to->plan.column + from->at[nodes], to->plan.pinned = to->plan.pin + from->at[nodes];
    return 1;
}

static int copy_ints(Ints *to, const Ints *from) {
    if (!ints_room(&to->item, &to->room, from->count, sizeof(int))) return 0;
    if (from->count) memcpy(to->item, from->item, (size_t)from->count * sizeof(int));
    to->count = from->count;
    return 1;
}

int laid_copy(Laid *to, const Laid *from) {
    to->cost = from->cost;
    return plan_copy(to, &from->plan) && copy_ints(&to->ways, &from->ways);
}

void laid_drop(Laid *laid) {
    free(laid->numbers.item);
    free(laid->ways.item);
}

/* A change adds a column or two rows at most. */
int plan_room(Board *board, const Plan *plan) {
    const int nodes = plan->program->nodes, lines = (plan->columns + 4) * (plan->rows + 4);
    const int need = 3 * nodes + 4 * plan->rows + 2 * plan->columns + 64 + (lines > 0 ? lines : 0);
    return ints_room(&board->scratch, &board->scratch_room, need, sizeof(int));
}

/* Lays the wires of a plan as they lay `before` it changed where they can, or all anew. */
int plan_lay(Board *board, Plan *plan, double most, const Laid *before, Laid *out) {
    Grid *grid = &board->grid;
    change_sides(plan, board->sides);
    grid->failed = 0;
    if (!grid_begin(grid, plan, TRACKS, HASTE)) return -1;
    grid->kept.count = 0;
    if (before && !again_as_before(grid, &before->plan, before->ways.item, before->ways.count, &grid->kept)) return -1;
    const int worth = price_laid(grid, &grid->kept, most, &out->cost);
    if (grid->failed) return -1;
    if (!worth) return 0;
    out->ways.count = 0;
    int done = 1;
    for (int k = 0; k < grid->kept.count && done;) {
        const int count = grid->kept.item[k + 1];
        done = ints_push(&out->ways, grid->kept.item[k]) && ints_push(&out->ways, count);
        for (int p = k + 2; p < k + 2 + count && done; p++)
            done = ints_push(&out->ways, grid->column_of[grid->kept.item[p]]) && ints_push(&out->ways, grid->row_of[grid->kept.item[p]]);
        k += 2 + count;
    }
    return done ? 1 : -1;
}

/* Lays every wire once: see `price_tried`. */
int plan_try(Board *board, Plan *plan, double most, double *cost, double *blame) {
    change_sides(plan, board->sides);
    board->grid.failed = 0;
    if (!grid_begin(&board->grid, plan, TRACKS, HASTE)) return -1;
    memset(blame, 0, (size_t)plan->program->nodes * sizeof *blame);
    const int whole = price_tried(&board->grid, most, cost, blame);
    return board->grid.failed ? -1 : whole;
}

/* --- what was found out -------------------------------------------------------------------------------------------- */

uint64_t plan_key(const Plan *plan) {
    uint64_t key = (uint64_t)plan->columns << 32 | (uint32_t)plan->rows;
    const size_t count = numbers_of(plan);
    for (size_t k = 0; k < count; k++) {
        key = (key ^ (uint32_t)plan->row[k]) * 0x9e3779b97f4a7c15u;
        key ^= key >> 29;
    }
    return key ? key : 1;
}

static Known *slot_of(Known *item, int room, uint64_t key) {
    size_t at = (size_t)(key >> 20) & (size_t)(room - 1);
    while (item[at].key && item[at].key != key) at = (at + 1) & (size_t)(room - 1);
    return &item[at];
}

Known *memory_of(Memory *memory, uint64_t key) {
    if (2 * memory->count >= memory->room) {
        const int room = memory->room ? 2 * memory->room : 1024;
        Known *item = calloc((size_t)room, sizeof *item);
        if (!item) return NULL;
        for (int k = 0; k < memory->room; k++)
            if (memory->item[k].key) *slot_of(item, room, memory->item[k].key) = memory->item[k];
        free(memory->item);
        memory->item = item, memory->room = room;
    }
    Known *known = slot_of(memory->item, memory->room, key);
    if (!known->key) *known = (Known){key, NAN, -INFINITY, 0}, memory->count++;
    return known;
}

void memory_clear(Memory *memory) {
    for (int k = 0; k < memory->laid_count; k++) laid_drop(&memory->laid[k]);
    free(memory->laid);
    free(memory->item);
    *memory = (Memory){0};
}
