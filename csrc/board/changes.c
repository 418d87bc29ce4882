/* changes.c: what can be changed in a plan: the heights of rails and nodes, the columns of nodes, the order of columns. Each
 * change makes a plan of its own; whether it is better is not decided here, and whether it is legal by `change_is_legal`. */
#include "board.h"

#include <stdlib.h>
#include <string.h>

/* Heights are in quarters of a row: 4 * r is row r, and 4 * r - 2 a new row under it. */

/* --- lists of nodes ------------------------------------------------------------------------------------------------ */

static int offer(Changes *list, Change change) {
    if (!ints_room(&list->item, &list->room, list->count + 1, sizeof(Change))) return 0;
    list->item[list->count++] = change;
    return 1;
}

/* The lowest and the highest row of the cell. */
static void inner_rows(const Plan *plan, int *low, int *high) {
    *low = 1 << 30, *high = -1;
    for (int n = 0; n < plan->program->nodes; n++) {
        if (plan->program->kind[n] & OUTER) continue;
        *low = plan->row[n] < *low ? plan->row[n] : *low;
        *high = plan->row[n] > *high ? plan->row[n] : *high;
    }
    if (*high < 0) *low = 0, *high = -2;
}

/* --- up and down --------------------------------------------------------------------------------------------------- */

/* A rail on which a state returns at another height, nearest first: level with a merge that it feeds or with the sign that
 * makes its state, or between any two rows of the cell, and under and above them. */
void change_heights(const Plan *plan, int rail, Changes *list) {
    const Program *program = plan->program;
    const int at = plan->row[program->rail_of[rail].entry], begun = list->count;
    for (int k = program->level_at[rail]; k < program->level_at[rail + 1]; k++) {
        const int row = plan->row[program->level[k]];
        int known = row == at;
        for (int j = begun; j < list->count; j++) known |= list->item[j].b == 4 * row;
        if (!known) offer(list, (Change){LIFT, rail, 4 * row, FREE, 0});
    }
    int low, high;
    inner_rows(plan, &low, &high);
    const int first = list->count;
    for (int r = low; r <= high + 1; r++) {
        const int to = 4 * r - 2, far = abs(to - 4 * at);
        if (!offer(list, (Change){LIFT, rail, to, FREE, 0})) return;
        int k = list->count - 1;
        for (; k > first && abs(list->item[k - 1].b - 4 * at) > far; k--) list->item[k] = list->item[k - 1];
        list->item[k] = (Change){LIFT, rail, to, FREE, 0};
    }
}

/* Two rails at each other's heights, or both together at another, either of them above. */
void change_together(const Plan *plan, int one, int other, Changes *list) {
    const Rail *rail = plan->program->rail_of;
    int low, high;
    offer(list, (Change){LIFT, one, 4 * plan->row[rail[other].entry], other, 4 * plan->row[rail[one].entry]});
    inner_rows(plan, &low, &high);
    for (int r = low; r <= high + 1; r++) {
        offer(list, (Change){LIFT, one, 4 * r - 2, other, 4 * r - 1});
        offer(list, (Change){LIFT, other, 4 * r - 2, one, 4 * r - 1});
    }
}

/* A node in any other row between what feeds it and what it feeds, or in a row of its own there; layers on a bus stay in
 * line. */
void change_levels(const Plan *plan, int n, Changes *list) {
    const Program *program = plan->program;
    if (program->kind[n] & STAYS) return;
    int low, high;
    inner_rows(plan, &low, &high);
    low--, high++;
    for (int k = program->source_at[n]; k < program->source_at[n + 1]; k++) {
        const int m = program->sources[k];
        if (!(program->kind[m] & ENTRY) && plan->row[m] > low) low = plan->row[m];
    }
    for (int k = program->user_at[n]; k < program->user_at[n + 1]; k++) {
        const int m = program->users[k];
        if (!(program->kind[m] & EXIT) && plan->row[m] < high) high = plan->row[m];
    }
    for (int r = low + 1; r <= high; r++) {
        offer(list, (Change){LEVEL, n, 4 * r - 2, 0, 0});
        if (r < high) offer(list, (Change){LEVEL, n, 4 * r, 0, 0});
    }
}

/* Nodes at other heights; rows that are left empty go away. */
static void settle_rows(Plan *plan, const int *height, int *mark) {
    const int nodes = plan->program->nodes, most = 4 * plan->rows + 16;
    memset(mark, 0, (size_t)most * sizeof(int));
    for (int n = 0; n < nodes; n++) mark[height[n] + 8] = 1;
    int count = 0;
    for (int k = 0; k < most; k++) {
        const int there = mark[k];
        mark[k] = count;
        count += there;
    }
    for (int n = 0; n < nodes; n++) plan->row[n] = mark[height[n] + 8];
    plan->rows = count;
}

static void lift(Plan *plan, const Change *change, int *height, int *mark) {
    const Program *program = plan->program;
    for (int n = 0; n < program->nodes; n++) height[n] = 4 * plan->row[n];
    if (change->kind == LEVEL) height[change->a] = change->b;
    else
        for (int pass = 0; pass < 2; pass++) {
            const int rail = pass ? change->c : change->a;
            for (int k = rail == FREE ? 0 : program->line_at[rail]; rail != FREE && k < program->line_at[rail + 1]; k++)
                height[program->on_line[k]] = pass ? change->d : change->b;
        }
    settle_rows(plan, height, mark);
}

/* --- left and right ------------------------------------------------------------------------------------------------ */

static int alone(const Plan *plan, int n) { return plan->at[n + 1] - plan->at[n] == 1; }

static int offer_place(Changes *list, int begun, int n, int column, int apart) {
    for (int k = begun; k < list->count; k++)
        if (list->item[k].b == column && list->item[k].c == apart) return 1;
    return offer(list, (Change){PLACE, n, column, apart, 0});
}

/* For a node of one column, those of its neighbours, or one of its own beside theirs. */
void change_places(const Plan *plan, int n, Changes *list) {
    const Program *program = plan->program;
    const int begun = list->count;
    if (!alone(plan, n)) return;
    for (int apart = 0; apart < 2; apart++)
        for (int side = 0; side < 2; side++) {
            const int *at = side ? program->user_at : program->source_at, *near = side ? program->users : program->sources;
            for (int k = at[n]; k < at[n + 1]; k++) {
                const int first = plan->at[near[k]], last = plan->at[near[k] + 1] - 1;
                for (int p = first; p <= last && !apart; p++) offer_place(list, begun, n, plan->column[p], 0);
                for (int more = 0; more < 2 && apart && first <= last; more++)
                    offer_place(list, begun, n, plan->column[last] + more, 1);
            }
        }
}

/* Marks a node and all that stands straight above it; says how many those are. */
static int stack_of(const Plan *plan, int n, int *in, int *waiting) {
    const Program *program = plan->program;
    memset(in, 0, (size_t)program->nodes * sizeof(int));
    int count = 1, last = 0;
    in[n] = 1, waiting[last++] = n;
    while (last && alone(plan, n)) {
        const int m = waiting[--last];
        for (int k = program->user_at[m]; k < program->user_at[m + 1]; k++) {
            const int u = program->users[k];
            if (in[u] || !alone(plan, u) || plan->column[plan->at[u]] != plan->column[plan->at[n]] || plan->row[u] <= plan->row[m]) continue;
            in[u] = 1, waiting[last++] = u, count++;
        }
    }
    return count;
}

/* A node with all that stands straight above it, in a column of their own to either side of where they stand, or last of
 * all. */
void change_stacks(const Plan *plan, int n, Changes *list, int *scratch) {
    if (stack_of(plan, n, scratch, scratch + plan->program->nodes) < 2) return;
    const int at = plan->column[plan->at[n]];
    offer(list, (Change){STACK, n, at, 0, 0});
    offer(list, (Change){STACK, n, at + 1, 0, 0});
    if (plan->columns != at + 1) offer(list, (Change){STACK, n, plan->columns, 0, 0});
}

/* One column, or all of a block, moved, nearest first; then two columns swapped, neighbours within a block too. */
void change_columns(const Plan *plan, Changes *list, int *block) {
    const int count = plan->columns;
    for (int c = 0; c < count; c++) block[c] = -1 - c;
    for (int n = 0; n < plan->program->nodes; n++)
        for (int k = plan->at[n]; k < plan->at[n + 1] && !alone(plan, n); k++) block[plan->column[k]] = n;
    for (int swap = 0; swap < 2; swap++)
        for (int far = 1; far < count; far++)
            for (int i = 0; i < count; i++)
                for (int toward = -1; toward < 2; toward += 2) {
                    const int j = i + toward * far;
                    if (j < 0 || j >= count || (swap && j < i) || (swap && far == 1 && block[i] != block[j])) continue;
                    offer(list, (Change){swap ? SWAP : MOVE, i, j, 0, 0});
                }
}

/* Nodes in another column, or `apart` in one of their own before it; one that is left empty goes away. */
static void shift(Plan *plan, const int *in, int to, int apart, int *mark) {
    const int nodes = plan->program->nodes, count = plan->columns + apart;
    memset(mark, 0, (size_t)(count + 2) * sizeof(int));
    for (int n = 0; n < nodes; n++)
        for (int k = plan->at[n]; k < plan->at[n + 1]; k++) {
            plan->column[k] = in[n] ? to : plan->column[k] + (apart && plan->column[k] >= to);
            mark[plan->column[k]] = 1;
        }
    int used = 0;
    for (int c = 0; c <= count; c++) {
        const int there = mark[c];
        mark[c] = used;
        used += there;
    }
    for (int k = 0; k < plan->at[nodes]; k++) plan->column[k] = mark[plan->column[k]];
    plan->columns = used;
}

/* The columns in another order: `place[c]` is where column c goes. */
static void permute(Plan *plan, const int *place) {
    for (int n = 0; n < plan->program->nodes; n++) {
        const int first = plan->at[n];
        for (int k = first; k < plan->at[n + 1]; k++) {
            const int to = place[plan->column[k]], pin = plan->pin[k];
            int j = k;
            for (; j > first && plan->column[j - 1] > to; j--) plan->column[j] = plan->column[j - 1], plan->pin[j] = plan->pin[j - 1];
            plan->column[j] = to, plan->pin[j] = pin;
        }
    }
}

/* One column, or all of its block, elsewhere. */
static void move_column(Plan *plan, int i, int j, int *place) {
    const int count = plan->columns;
    int *in = place + count, owner = FREE, size = 1;
    for (int n = 0; n < plan->program->nodes; n++)
        for (int k = plan->at[n]; k < plan->at[n + 1] && !alone(plan, n); k++)
            if (plan->column[k] == i) owner = n;
    memset(in, 0, (size_t)count * sizeof(int));
    in[i] = 1;
    if (owner != FREE) {
        size = plan->at[owner + 1] - plan->at[owner];
        for (int k = plan->at[owner]; k < plan->at[owner + 1]; k++) in[plan->column[k]] = 1;
    }
    const int at = j < count - size ? j : count - size;
    for (int c = 0, kept = 0, moved = 0; c < count; c++) {
        if (in[c]) place[c] = at + moved++;
        else place[c] = kept < at ? kept : kept + size, kept++;
    }
    permute(plan, place);
}

void change_make(Plan *plan, const Change *change, int *scratch) {
    const Program *program = plan->program;
    const int nodes = program->nodes;
    switch (change->kind) {
    case LIFT:
    case LEVEL: lift(plan, change, scratch, scratch + nodes); break;
    case PLACE:
        memset(scratch, 0, (size_t)nodes * sizeof(int));
        scratch[change->a] = 1;
        shift(plan, scratch, change->b, change->c, scratch + 2 * nodes);
        break;
    case STACK:
        stack_of(plan, change->a, scratch, scratch + nodes);
        shift(plan, scratch, change->b, 1, scratch + 2 * nodes);
        break;
    case MOVE: move_column(plan, change->a, change->b, scratch); break;
    default:
        for (int c = 0; c < plan->columns; c++) scratch[c] = c == change->a ? change->b : c == change->b ? change->a : c;
        permute(plan, scratch);
    }
}

/* --- what is allowed ----------------------------------------------------------------------------------------------- */

/* A block's columns stay together, the stops of a rail in the order of its flow, and nothing on anything else. */
int change_is_legal(const Plan *plan, int *mark) {
    const Program *program = plan->program;
    const int width = plan->columns + 2;
    for (int n = 0; n < program->nodes; n++) {
        const int first = plan->at[n], last = plan->at[n + 1] - 1;
        if (first < last && plan->column[last] - plan->column[first] > last - first) return 0;
    }
    for (int rail = 0; rail < program->rails; rail++)
        for (int k = program->stop_at[rail] + 1; k < program->stop_at[rail + 1]; k++) {
            const int a = plan->column[plan->at[program->stop[k - 1]]], b = plan->column[plan->at[program->stop[k]]];
            if (program->rail_of[rail].leftward ? a <= b : a >= b) return 0;
        }
    memset(mark, 0, (size_t)(width * plan->rows) * sizeof(int));
    for (int n = 0; n < program->nodes; n++) {
        const int base = plan->row[n] * width, kind = program->kind[n];
        if (kind & (LEFT | RIGHT) && mark[base + (kind & LEFT ? 0 : width - 1)]++) return 0;
        for (int k = plan->at[n]; k < plan->at[n + 1]; k++)
            if (mark[base + 1 + plan->column[k]]++) return 0;
    }
    return 1;
}

/* --- what the places of nodes cost --------------------------------------------------------------------------------- */

typedef struct {
    int left, right, bottom, top;
} Room; /* the columns and rows that the nodes of a macro instance span */

static int meet(const Room *a, const Room *b) {
    return a->left <= b->right && b->left <= a->right && a->bottom <= b->top && b->bottom <= a->top;
}

static Room room_of(const Plan *plan, int instance) {
    const Program *program = plan->program;
    const char *member = program->member + (size_t)instance * (size_t)program->nodes;
    Room room = {1 << 30, -1, 1 << 30, -1};
    for (int n = 0; n < program->nodes; n++) {
        const int first = plan->at[n], last = plan->at[n + 1] - 1;
        if (!member[n] || first > last) continue;
        room.left = plan->column[first] < room.left ? plan->column[first] : room.left;
        room.right = plan->column[last] > room.right ? plan->column[last] : room.right;
        room.bottom = plan->row[n] < room.bottom ? plan->row[n] : room.bottom;
        room.top = plan->row[n] > room.top ? plan->row[n] : room.top;
    }
    return room;
}

/* How many nodes and instances stand in the room of a macro instance that is not theirs. */
int change_intrusions(const Plan *plan) {
    const Program *program = plan->program;
    int found = 0;
    for (int i = 0; i < program->instances; i++) {
        const char *member = program->member + (size_t)i * (size_t)program->nodes;
        const Room room = room_of(plan, i);
        for (int j = i + 1; j < program->instances; j++) {
            const Room other = room_of(plan, j);
            found += !program->nested[i * program->instances + j] && meet(&room, &other);
        }
        for (int n = 0; n < program->nodes; n++) {
            const int first = plan->at[n], last = plan->at[n + 1] - 1;
            if (member[n] || program->kind[n] & OUTER || first > last) continue;
            const Room own = {plan->column[first], plan->column[last], plan->row[n], plan->row[n]};
            found += meet(&own, &room);
        }
    }
    return found;
}

#define INTRUSION 30.0

/* A wide picture is shown in small letters, and what stands in the box of a macro seems to belong to it. */
double change_standing(const Plan *plan) { return plan->column_price * plan->columns + INTRUSION * change_intrusions(plan); }

/* --- sides --------------------------------------------------------------------------------------------------------- */

static void level_exits(const Plan *plan, int net, double *ways) {
    const Program *program = plan->program;
    for (int job = program->first[net]; job < program->first[net + 1]; job++) {
        const int sink = program->sink[job];
        if (!(program->kind[sink] & (LEFT | RIGHT)) || plan->row[sink] != plan->row[program->source[net]]) continue;
        ways[program->kind[sink] & LEFT ? W : E] = 0.0;
    }
}

/* Straight on if another merge goes on at this height, straight out of the cell where a state is made at the height at which
 * it leaves; else up, or aside if that may be, and always to several. */
static void out_of_merge(const Plan *plan, int merge, double *ways) {
    const Program *program = plan->program;
    for (int way = 0; way < 4; way++) ways[way] = -1.0;
    for (int net = 0; net < program->nets; net++) {
        if (program->source[net] != merge) continue;
        const int after = program->leaving[net].after;
        if (after != FREE && plan->row[after] == plan->row[merge]) ways[E] = 0.0;
        level_exits(plan, net, ways);
        const int several = program->first[net + 1] - program->first[net] > 1;
        ways[several ? E : N] = 0.0;
        if (several || plan->aside < 0.0) continue;
        if (ways[E] < 0.0) ways[E] = plan->aside;
        if (ways[W] < 0.0) ways[W] = plan->aside;
    }
}

/* On which sides wires may leave their sources and come to their sinks: for most that is a fact of the program, for some it
 * depends on heights. A merge is not entered where it is left. */
void change_sides(Plan *plan, double *sides) {
    static const double into_merge[] = {0.0, 0.0, 2.0, 1.0};
    const Program *p = plan->program;
    const size_t all = (size_t)(4 * p->nets + 5 * p->jobs);
    memcpy(sides, p->sides, all * sizeof(double));
    double *out = sides, *into = out + 4 * p->nets, *outer = into + 4 * p->jobs;
    plan->out = out, plan->into = into, plan->outer = outer;
    for (int net = 0; net < p->nets; net++) {
        const int source = p->source[net], kind = p->kind[source];
        if (kind & MERGE) out_of_merge(plan, source, out + 4 * net);
        else if (kind & SIGN && !(kind & HANGING) && p->rail[source] == FREE) level_exits(plan, net, out + 4 * net);
    }
    int low, high;
    inner_rows(plan, &low, &high);
    if (high < 0) low = high = 0;
    for (int job = 0; job < p->jobs; job++) {
        const int sink = p->sink[job], row = plan->row[sink];
        if (p->kind[sink] & OUTER && (row < low || row > high)) outer[job] = 1.0;
        if (!(p->kind[sink] & MERGE)) continue;
        double taken[4];
        int count = 0, last = 0;
        out_of_merge(plan, sink, taken);
        for (int way = 0; way < 4; way++)
            if (taken[way] >= 0.0) count++, last = way ^ 2;
        for (int way = 0; way < 4; way++) into[4 * job + way] = count == 1 && way == last ? -1.0 : into_merge[way];
    }
}
