/* guess.c: what a plan may cost, guessed from where its nodes stand without laying a wire: each is taken to go the way that
 * it would go if nothing else were there, and what then meets is counted.
 *
 * Here heights are twice the rows and places from left to right twice the columns, so that odd ones lie between. */
#include "board.h"

#include <stdlib.h>
#include <string.h>

#define ACROSS 0.35
#define UP 0.25
#define BLOCKED 4.4
enum { MARGIN = 4 }; /* so far beyond the borders ways may go */

typedef struct {
    int x[6], y[6], count;
} Way;

typedef struct {
    int at, net, low, high;
} Piece; /* where it lies, its net, and from where to where it goes */

typedef struct {
    Piece *across, *upright;
    int acrosses, uprights, corners;
} Drawn;

/* --- the way of each wire ------------------------------------------------------------------------------------------ */

static void to(Way *way, int x, int y) { way->x[way->count] = x, way->y[way->count++] = y; }

static void out(Way *way, int x1, int y1, int x2, int y2, int flat, int level, int up) {
    const int toward = x2 > x1 ? 1 : -1;
    if (y1 == y2 && (flat == toward || level)) return to(way, x2, y2);
    if (flat) to(way, x1 + flat, y1), to(way, x1 + flat, y2);
    else if ((y2 - y1) * up > 0) to(way, x1, y2);
    else to(way, x1, y1 + up), to(way, x1 + toward, y1 + up), to(way, x1 + toward, y2);
    to(way, x2, y2);
}

/* Onto what hangs under a rail: from above or a side. */
static void down(Way *way, int x1, int y1, int x2, int y2, int flat) {
    const int aside = x1 + (flat ? flat : 1);
    if (x1 == x2 && y1 > y2) return to(way, x2, y2);
    if (flat && y1 > y2) to(way, x2, y1);
    else if (flat || x1 == x2) to(way, aside, y1), to(way, aside, y2);
    else if (y1 < y2) to(way, x1, y2);
    else to(way, x1, y1 - 1), to(way, x2, y1 - 1);
    to(way, x2, y2);
}

/* In from a side; into a merge from above or below as well. */
static void aside(Way *way, int x1, int y1, int x2, int y2, int flat, int joins) {
    const int before = x2 - (x2 > x1 ? 1 : -1);
    if ((flat && y1 == y2) || (x1 == x2 && (joins || y1 < y2))) return to(way, x2, y2);
    if (flat && joins) to(way, x2, y1);
    else if (flat) to(way, before, y1), to(way, before, y2);
    else if (y1 < y2) to(way, x1, y2);
    else to(way, x1, y1 + 1), to(way, before, y1 + 1), to(way, before, y2);
    to(way, x2, y2);
}

static int half(int doubled) { return doubled >= 0 ? doubled / 2 : -((1 - doubled) / 2); }

/* In from below. */
static void up(Way *way, int x1, int y1, int x2, int y2, int flat) {
    const int before = y1 >= y2 ? x2 - flat : x1 + flat, between = half(x1 + x2) | 1;
    if (flat && y1 < y2 && (x2 - x1) * flat > 0) to(way, x2, y1);
    else if (flat) to(way, before, y1), to(way, before, y2 - 1), to(way, x2, y2 - 1);
    else if (y1 >= y2) to(way, x1, y1 + 1), to(way, between, y1 + 1), to(way, between, y2 - 1), to(way, x2, y2 - 1);
    else if (x1 != x2) to(way, x1, y2 - 1), to(way, x2, y2 - 1);
    to(way, x2, y2);
}

static int takes(int *owner, int net) {
    if (*owner == FREE) *owner = net;
    return *owner == net;
}

/* Whether a wire comes in from a side, and not from below: one that comes along a rail needs a bend less there. A side that
 * one net has taken (the left, below, the right) is closed to others. */
static int by_side(int *taken, int net, int x1, int y1, int x2, int y2, int flat, int block) {
    const int toward = (x2 > x1) - (x2 < x1);
    if (flat && y1 < y2 && takes(&taken[1], net)) return 0;
    if (!toward) {
        takes(&taken[1], net);
        return 0;
    }
    return !(block && toward < 0) && takes(&taken[1 + toward], net);
}

/* --- what they are made of ----------------------------------------------------------------------------------------- */

static void draw(Drawn *drawn, const Way *way, int net, int *corner, int height) {
    for (int k = 1; k < way->count; k++) {
        const int a = way->x[k - 1], b = way->y[k - 1], x = way->x[k], y = way->y[k];
        if (b == y) drawn->across[drawn->acrosses++] = (Piece){y, net, a < x ? a : x, a < x ? x : a};
        else drawn->upright[drawn->uprights++] = (Piece){a, net, b < y ? b : y, b < y ? y : b};
        if (k == way->count - 1) continue;
        int *own = &corner[(x + MARGIN) * height + y + MARGIN];
        drawn->corners += *own != net + 1;
        *own = net + 1;
    }
}

/* Each net's wires, from source to sink. */
static void draw_all(const Plan *plan, Drawn *drawn, int *taken, int *corner, int height) {
    const Program *program = plan->program;
    for (int net = 0; net < program->nets; net++) {
        const int source = program->source[net], y1 = 2 * plan->row[source];
        const Leaving *leaving = &program->leaving[net];
        const int flat = leaving->after == FREE || plan->row[leaving->after] != plan->row[source] ? leaving->along : 1;
        int x1 = flat == 1 ? -2 : 2 * plan->columns;
        if (!(program->kind[source] & (LEFT | RIGHT))) {
            x1 = 2 * plan->column[plan->at[source + 1] - 1];
            for (int k = plan->at[source]; k < plan->at[source + 1]; k++)
                if (plan->pin[k] == net) x1 = 2 * plan->column[k];
        }
        for (int job = program->first[net]; job < program->first[net + 1]; job++) {
            const int n = program->sink[job], y2 = 2 * plan->row[n], first = plan->at[n], last = plan->at[n + 1] - 1;
            const Coming *coming = &program->coming[job];
            int x2 = program->kind[n] & RIGHT ? 2 * plan->columns : -2;
            if (first <= last) {
                x2 = x1 > 2 * plan->column[first] ? x1 : 2 * plan->column[first];
                x2 = x2 < 2 * plan->column[last] ? x2 : 2 * plan->column[last];
            }
            Way way = {{x1}, {y1}, 1};
            const int hangs = program->kind[source] & HANGING;
            if (flat && coming->on_rail && y1 == y2) to(&way, x2, y2);
            else if (coming->entrance == OUT) out(&way, x1, y1, x2, y2, flat, leaving->level, hangs ? -1 : 1);
            else if (coming->entrance == ABOVE) down(&way, x1, y1, x2, y2, flat);
            else if (coming->entrance == ANY
                     || (coming->entrance == SIDE && by_side(taken + 3 * n, net, x1, y1, x2, y2, flat, coming->block)))
                aside(&way, x1, y1, x2, y2, flat, coming->entrance == ANY);
            else up(&way, x1, y1, x2, y2, flat);
            draw(drawn, &way, net, corner, height);
        }
    }
}

/* --- what meets ---------------------------------------------------------------------------------------------------- */

static int by_lane(const void *a, const void *b) {
    const Piece *p = a, *q = b;
    if (p->at != q->at) return p->at < q->at ? -1 : 1;
    if (p->net != q->net) return p->net < q->net ? -1 : 1;
    if (p->low != q->low) return p->low < q->low ? -1 : 1;
    return (p->high > q->high) - (p->high < q->high);
}


/* Of each net, stretches that overlap as one. */
static int joined(Piece *piece, int count) {
    int kept = 0;
    qsort(piece, (size_t)count, sizeof *piece, by_lane);
    for (int k = 0; k < count; k++) {
        Piece *last = kept ? &piece[kept - 1] : NULL;
        if (last && last->at == piece[k].at && last->net == piece[k].net && piece[k].low <= last->high)
            last->high = piece[k].high > last->high ? piece[k].high : last->high;
        else piece[kept++] = piece[k];
    }
    return kept;
}

static int crossed(const Drawn *drawn) {
    int count = 0;
    for (int i = 0; i < drawn->uprights; i++) {
        const Piece *up = &drawn->upright[i];
        for (int k = 0; k < drawn->acrosses; k++) {
            const Piece *across = &drawn->across[k];
            count += (up->low < across->at) & (across->at < up->high) & (across->low < up->at) & (up->at < across->high)
                     & (across->net != up->net);
        }
    }
    return count;
}

/* Pieces of two nets on the centre of one row or column, where there is room for one. */
static int shared(const Piece *piece, int count) {
    int found = 0, end = 0, at = -9, net = -1;
    for (int k = 0; k < count; k++) {
        if (piece[k].at & 1) continue;
        found += piece[k].at == at && piece[k].net != net && piece[k].low <= end;
        end = piece[k].at == at && end > piece[k].high ? end : piece[k].high;
        at = piece[k].at, net = piece[k].net;
    }
    return found;
}

/* Nodes through which wires would run. */
static int blocked(const Plan *plan, const Piece *piece, int count, int upright) {
    int found = 0;
    for (int n = 0; n < plan->program->nodes; n++)
        for (int k = plan->at[n]; k < plan->at[n + 1]; k++) {
            const int at = 2 * (upright ? plan->column[k] : plan->row[n]), place = 2 * (upright ? plan->row[n] : plan->column[k]);
            for (int i = 0; i < count; i++) found += (piece[i].at == at) & (piece[i].low < place) & (place < piece[i].high);
        }
    return found;
}

/* Comparable with the guesses of other plans of the program, and with nothing else; -1 where there is no memory. */
double guess_cost(const Plan *plan) {
    const Program *program = plan->program;
    const size_t pieces = 6 * (size_t)program->jobs + 1, height = 2 * (size_t)plan->rows + 2 * MARGIN + 2;
    const size_t corners = height * (2 * (size_t)plan->columns + 2 * MARGIN + 2), sides = 3 * (size_t)program->nodes + 1;
    Piece *piece = malloc(2 * pieces * sizeof *piece);
    int *corner = calloc(corners + sides, sizeof *corner), *taken = corner ? corner + corners : NULL;
    double cost = -1.0;
    if (piece && corner) {
        Drawn drawn = {piece, piece + pieces, 0, 0, 0};
        memset(taken, 0xff, sides * sizeof *taken);
        draw_all(plan, &drawn, taken, corner, (int)height);
        drawn.acrosses = joined(drawn.across, drawn.acrosses);
        drawn.uprights = joined(drawn.upright, drawn.uprights);
        int across = 0, up = 0;
        for (int k = 0; k < drawn.acrosses; k++) across += drawn.across[k].high - drawn.across[k].low;
        for (int k = 0; k < drawn.uprights; k++) up += drawn.upright[k].high - drawn.upright[k].low;
        int met = blocked(plan, drawn.across, drawn.acrosses, 0) + blocked(plan, drawn.upright, drawn.uprights, 1);
        const int crossings = crossed(&drawn);
        met += shared(drawn.across, drawn.acrosses) + shared(drawn.upright, drawn.uprights);
        cost = ACROSS * across + UP * up + plan->bend * drawn.corners + plan->crossing * crossings + BLOCKED * met;
    }
    free(piece);
    free(corner);
    return cost;
}
