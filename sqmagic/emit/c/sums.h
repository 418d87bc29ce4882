/* sums.h: what is left when a scan back has run: sums over all steps and examples.

   plane    the rows of a state over all steps: [step][example][component]
   row      of a plane, counted through: step * batch + example

   Each thread computes a share of the units (or of the rows) of what is asked for, or pieces of it as it comes to them,
   so that none writes where another does, and what several sums are added up in is added to in one order. */
#ifndef SQ_SUMS_H
#define SQ_SUMS_H

#include "threads.h"

/* How many rows are added up at a time: of so many, a block of units fits into the nearest cache. */
#define DEPTH 384
/* Blocks of units that are multiplied with the same components while these are near. */
#define NEAR 8
/* Rows are multiplied where they lie while their distance times the vectors on the right is no more: packing pays where
   much is done with what is packed, or where rows would drive each other from the cache. */
#define CLOSE 4096

typedef struct {
    const real *rows;
    long step, row; /* from step to step (0: it stands still) and from example to example */
    long width;
} plane;

/* A part of a weight's gradient: into[unit * pitch + component], or nothing where it is not asked for. */
typedef struct {
    real *into;
    long pitch;
} target;

/* A part of a weight, as a function of (unit, component). */
typedef struct {
    const real *weight;
    long by_unit, by_component;
} factor;

INLINE const real *row_at(const plane *p, long batch, long row)
{
    return p->rows + row / batch * p->step + row % batch * p->row;
}

/* The first of a thread's units; the next thread's first is its end. */
INLINE long first_unit(const share *me, long units, int next)
{
    return units * (me->number + next) / me->threads;
}

/* A walk over the rows of a plane: where the next one is. */
typedef struct {
    const real *step;
    long example;
} walk;

INLINE walk walk_from(const plane *p, long batch, long row)
{
    return (walk){p->rows + row / batch * p->step, row % batch};
}

INLINE const real *walked(walk *w, const plane *p, long batch)
{
    const real *row = w->step + w->example * p->row;
    if (++w->example == batch) {
        w->example = 0;
        w->step += p->step;
    }
    return row;
}

/* Asks for memory that will soon be read, eight rows on; what is asked for need not be there. */
INLINE void ask_ahead(const plane *p, long batch, const real *row, long width)
{
    const real *ahead = row + 8 * (batch > 1 ? p->row : p->step);
    for (long c = 0; c < width; c += 64 / (long)sizeof(real))
        __builtin_prefetch(ahead + c);
}

/* How far apart the rows of a plane are; 0 where that differs. */
INLINE long pitch_of(const plane *p, long batch)
{
    return batch == 1 ? p->step : p->step == batch * p->row ? p->row : 0;
}

/* Of `count` rows all components as panels of two vectors, or one: [panel][row][component], 0 past the last. */
UNUSED static void pack_right(const plane *p, long batch, long row, long count, real *into)
{
    walk rows = walk_from(p, batch, row);
    for (long k = 0; k < count; k++) {
        const real *from = walked(&rows, p, batch);
        ask_ahead(p, batch, from, p->width);
        long c = 0;
        for (; c + 2 * LANES <= p->width; c += 2 * LANES) {
            real *place = into + c * count + k * 2 * LANES;
            store(place, load(from + c, LANES), LANES);
            store(place + LANES, load(from + c + LANES, LANES), LANES);
        }
        const int n = p->width - c > LANES ? 2 : 1;
        for (int v = 0; c + v * LANES < p->width; v++)
            store(into + c * count + (k * n + v) * LANES,
                  load(from + c + v * LANES, least(LANES, p->width - c - v * LANES)), LANES);
    }
}

/* Of `count` rows `held` units from `first` as blocks: [block][row][unit]. Whole vectors are read and written while they
   end within the row and the block, so that what lies behind the last unit is written anew with the rows that follow. */
UNUSED static void pack_left(const plane *p, long batch, long row, long count, long first, long held, long blocks, real *into)
{
    walk rows = walk_from(p, batch, row);
    long starts[NEAR + 1];
    for (long b = 0; b <= blocks; b++)
        starts[b] = held * b / blocks;
    for (long k = 0; k < count; k++) {
        const real *from = walked(&rows, p, batch) + first;
        ask_ahead(p, batch, from, held);
        for (long b = 0; b < blocks; b++) {
            const long unit = starts[b], m = starts[b + 1] - unit;
            const long there = p->width - first - unit, room = (count - k) * m;
            real *place = into + unit * count + k * m;
            for (long c = 0; c < m; c += LANES)
                if (there - c >= LANES && room - c >= LANES)
                    store(place + c, load(from + unit + c, LANES), LANES);
                else
                    for (long i = c; i < m; i++)
                        place[i] = from[unit + i];
        }
    }
}

/* Of a tile of `m` units and `n` vectors of components, `width` of which there are; added to what is there if `adds`. */
INLINE void put_tile(const real *tile, int m, int n, long width, real *into, long pitch, int adds)
{
    for (int v = 0; v < n; v++) {
        const long have = least(width - v * LANES, LANES);
        for (int i = 0; i < m; i++) {
            real *place = into + i * pitch + v * LANES;
            const vec x = load(tile + (v * TALL + i) * LANES, LANES);
            store(place, adds ? load(place, have) + x : x, have);
        }
    }
}

/* The sums over `count` rows, `pitch` apart, of `m` units side by side, added to what is there. */
INLINE void add_units(const real *rows, long pitch, long count, long m, real *into)
{
    for (long c = 0; c < m; c += LANES) {
        const long have = least(m - c, LANES);
        vec sum[4] = {load(into + c, have)};
        long k = 0;
        for (; k + 4 <= count; k += 4)
            for (int s = 0; s < 4; s++)
                sum[s] += load(rows + (k + s) * pitch + c, have);
        for (; k < count; k++)
            sum[0] += load(rows + k * pitch + c, have);
        store(into + c, (sum[0] + sum[1]) + (sum[2] + sum[3]), have);
    }
}

INLINE long vectors_for(long width)
{
    return (width + LANES - 1) / LANES;
}

/* How many numbers a thread's memory for outer_sums must hold: `rights` are the vectors of all planes on the right. */
INLINE long outer_memory(long rights)
{
    return rights * LANES * DEPTH + NEAR * ROWS * DEPTH + LANES + 2 * TALL * LANES;
}

INLINE int is_asked_for(const target *targets, int count, int apart)
{
    for (int n = 0; n < count; n++)
        if (targets[n * apart].into)
            return 1;
    return 0;
}

UNUSED static void clear_units(const share *me, const plane *left, const target *targets, const plane *rights, int count,
                               real *sums)
{
    const long first = first_unit(me, left->width, 0), end = first_unit(me, left->width, 1);
    for (int r = 0; r < count; r++)
        for (long unit = first; targets[r].into && unit < end; unit++)
            memset(targets[r].into + unit * targets[r].pitch, 0, sizeof(real) * (size_t)rights[r].width);
    if (sums && end > first)
        memset(sums + first, 0, sizeof(real) * (size_t)(end - first));
}

/* Some rows of units on the left, where the sums of their products with every panel on the right go. `rows` are packed
   as blocks, or lie in their plane, `pitch` apart. */
typedef struct {
    const real *rows;
    long pitch, count, held, blocks;
} left_rows;

INLINE part block_of(const left_rows *l, long block, int *units)
{
    const long unit = l->held * block / l->blocks;
    const long m = l->held * (block + 1) / l->blocks - unit;
    *units = (int)m;
    return l->pitch ? (part){l->rows + unit, l->count, l->pitch, 1} : (part){l->rows + unit * l->count, l->count, m, 1};
}

/* The sums of all units on the left. */
UNUSED static void add_rows(const left_rows *l, real *into)
{
    if (l->pitch) {
        add_units(l->rows, l->pitch, l->count, l->held, into);
        return;
    }
    for (long b = 0; b < l->blocks; b++) {
        int m;
        const part one = block_of(l, b, &m);
        add_units(one.rows, one.pitch, l->count, m, into + l->held * b / l->blocks);
    }
}

/* Some rows of a plane on the right: as panels, or where they lie, `pitch` apart. */
typedef struct {
    const real *rows;
    long pitch, width;
} right_rows;

/* The products of all units on the left with the components on the right. */
UNUSED static void add_products(const left_rows *l, const right_rows *r, real *into, long pitch, real *tile)
{
    const real zeros[2 * LANES] = {0}, *panel = r->rows;
    for (long c = 0; c < r->width; c += 2 * LANES) {
        const int n = (int)least(2, vectors_for(r->width - c));
        for (long b = 0; b < l->blocks; b++) {
            int m;
            const part one = block_of(l, b, &m);
            real *place = into + l->held * b / l->blocks * pitch + c;
            for (int i = 0; i < m; i++)
                for (int v = 0; v < n; v++)
                    __builtin_prefetch(place + i * pitch + v * LANES, 1);
            products_along(m, n, zeros, 0, &one, 1, panel, r->pitch ? r->pitch : n * LANES, tile, TALL);
            put_tile(tile, m, n, r->width - c, place, pitch, 1);
        }
        panel += r->pitch ? n * LANES : n * LANES * l->count;
    }
}

/* The same of few components with units that lie where they are, by vectors of units. */
UNUSED static void add_turned(const left_rows *l, const right_rows *r, real *into, long pitch, real *tile)
{
    const real zeros[2 * LANES] = {0};
    const part few = {r->rows, l->count, r->pitch, 1};
    for (long c = 0; c < l->held; c += 2 * LANES) {
        const int n = (int)least(2, (l->held - c) / LANES);
        products_along((int)r->width, n, zeros, 0, &few, 1, l->rows + c, l->pitch, tile, TALL);
        for (long unit = 0; unit < n * LANES; unit++)
            for (long k = 0; k < r->width; k++)
                into[(c + unit) * pitch + k] += tile[(unit / LANES * TALL + k) * LANES + unit % LANES];
    }
}

/* How far apart the rows on the left are, if they need not be packed. */
INLINE long pitch_if_close(const plane *p, long batch, const target *to, const plane *rights, int count)
{
    long vectors = 1;
    for (int r = 0; r < count; r++)
        vectors += to[r].into ? vectors_for(rights[r].width) : 0;
    return pitch_of(p, batch) * vectors <= CLOSE ? pitch_of(p, batch) : 0;
}

/* The rows that are multiplied at a time: `count` of all, from `row` on, with `batch` of them in a step. */
typedef struct {
    long batch, row, count, all;
} stretch;

/* The products of units on the left with a plane on the right, where each lies or packed: few components are turned, and
   few rows of whole vectors are read where they are. `panel` has the rest once it is there. */
INLINE void add_plane_products(const left_rows *l, const plane *p, const stretch *s, real *panel, int *there, const target *to,
                               long first, real *tile)
{
    const long pitch = pitch_of(p, s->batch);
    right_rows own = {row_at(p, s->batch, s->row), pitch, p->width};
    real *into = to->into + first * to->pitch;
    if (pitch && p->width <= ROWS && l->pitch && l->held % LANES == 0) {
        add_turned(l, &own, into, to->pitch, tile);
        return;
    }
    if (!pitch || s->all > DEPTH || p->width % LANES) {
        if (!*there)
            pack_right(p, s->batch, s->row, s->count, panel);
        *there = 1;
        own = (right_rows){panel, 0, p->width};
    }
    add_products(l, &own, into, to->pitch, tile);
}

/* For each plane on the left its sum over all rows, in sums[left]; and with each plane on the right, in
   targets[left * rights + right], the sum over all rows of the products of every unit with every component. What is
   `tied` on the left is added to the same as another is: each thread has its units of both. */
UNUSED static void outer_sums(const share *me, long steps, long batch, const plane *lefts, real *const *sums, int left_count,
                              const plane *rights, int right_count, const target *targets, const int *tied, real *memory)
{
    for (int l = 0; l < left_count; l++)
        clear_units(me, lefts + l, targets + l * right_count, rights, right_count, sums[l]);
    long count = 0;
    for (int l = 0; l < left_count; l++)
        if (!(tied && tied[l]) && is_asked_for(targets + l * right_count, right_count, 1))
            count += (lefts[l].width + NEAR * ROWS - 1) / (NEAR * ROWS);
    real *left_blocks = memory, *tile = left_blocks + NEAR * ROWS * DEPTH + LANES;
    tile += (LANES - (tile - memory) % LANES) % LANES;
    for (stretch s = {batch, 0, 0, steps * batch}; s.row < s.all; s.row += DEPTH) {
        int there[right_count + 1];
        memset(there, 0, sizeof(there));
        s.count = least(DEPTH, s.all - s.row);
        pieces left = pieces_of(me, count);
        if (left.taken)
            meet(me); /* what another has added up is there before more is added to it */
        for (int l = 0; l < left_count; l++) {
            const plane *p = lefts + l;
            const target *to = targets + l * right_count;
            if (!sums[l] && !is_asked_for(to, right_count, 1))
                continue;
            const int freely = left.taken && !(tied && tied[l]) && is_asked_for(to, right_count, 1);
            const long end = freely ? p->width : first_unit(me, p->width, 1);
            const long pitch = pitch_if_close(p, batch, to, rights, right_count);
            for (long first = freely ? 0 : first_unit(me, p->width, 0), held; first < end; first += held) {
                held = least(end - first, NEAR * ROWS);
                if (freely && !is_mine(&left))
                    continue;
                const left_rows own = {pitch ? row_at(p, batch, s.row) + first : left_blocks, pitch, s.count, held,
                                   (held + ROWS - 1) / ROWS};
                if (!pitch)
                    pack_left(p, batch, s.row, s.count, first, held, own.blocks, left_blocks);
                if (sums[l])
                    add_rows(&own, sums[l] + first);
                real *panel = tile + 2 * TALL * LANES;
                for (int r = 0; r < right_count; panel += vectors_for(rights[r].width) * LANES * DEPTH, r++)
                    if (to[r].into)
                        add_plane_products(&own, rights + r, &s, panel, there + r, to + r, first, tile);
            }
        }
    }
}

/* How many blocks of rows are packed at a time, of planes as wide as `width` together. */
INLINE long packed_blocks(long width)
{
    const long fit = (1 << 16) / (ROWS * (width ? width : 1));
    return fit ? fit : 1;
}

/* Rows no wider are multiplied with weights where they lie. */
#define IN_PLACE 128
/* Whether those of all planes are, which must also be equally far apart. */
INLINE int all_lie_near(const plane *planes, int count, long batch)
{
    for (int l = 0; l < count; l++)
        if (planes[l].width > IN_PLACE || !pitch_of(planes + l, batch))
            return 0;
    return 1;
}

/* How many numbers through's memory must hold: for weights, and for each thread. */
INLINE long through_panels(long units, long width)
{
    return vectors_for(width) * LANES * units;
}

INLINE long through_memory(long units)
{
    return 2 * TALL * LANES + packed_blocks(units) * ROWS * units + LANES;
}

/* The sum of products of planes with parts of weights: the step t of the planes gives the row t + shift of
   into[rows][batch][width]. It is added to what is there if `adds`; else rows that no step gives are 0. */
UNUSED static void through(const share *me, long steps, long batch, const plane *lefts, const factor *factors, int count,
                           real *into, long rows, long width, long shift, int adds, real *memory)
{
    const real zeros[2 * LANES] = {0};
    long units = 0;
    for (int l = 0; l < count; l++)
        units += lefts[l].width;
    for (long c = 2 * LANES * me->number; c < width; c += 2 * LANES * me->threads) {
        const long n = least(2, vectors_for(width - c));
        real *panel = memory + c * units;
        for (int l = 0; l < count; l++) {
            for (long v = 0; v < n; v++)
                pack(panel + v * LANES, n * LANES, factors[l].weight + (c + v * LANES) * factors[l].by_unit,
                     factors[l].by_unit, factors[l].by_component, width - c - v * LANES, lefts[l].width);
            panel += n * LANES * lefts[l].width;
        }
    }
    meet(me);
    real *tile = memory + through_panels(units, width) + me->number * through_memory(units);
    real *packed = tile + 2 * TALL * LANES;
    const long most = packed_blocks(units) * ROWS;
    pieces left = pieces_of(me, (rows * batch + most - 1) / most);
    const long mine = left.taken ? 0 : first_unit(me, rows * batch, 0);
    const long end = left.taken ? rows * batch : first_unit(me, rows * batch, 1);
    const long first = greatest(mine, least(shift * batch, end));
    const long last = greatest(first, least(end, (steps + shift) * batch));
    if (!adds && (!left.taken || !me->number)) {
        memset(into + mine * width, 0, sizeof(real) * (size_t)((first - mine) * width));
        memset(into + last * width, 0, sizeof(real) * (size_t)((end - last) * width));
    }
    const int lie = all_lie_near(lefts, count, batch);
    for (long row = first; row < last; row += most) {
        if (!is_mine(&left))
            continue;
        const long held = least(last - row, most), blocks = (held + ROWS - 1) / ROWS;
        for (long b = 0; !lie && b < blocks; b++) {
            const long from = held * b / blocks, m = held * (b + 1) / blocks - from;
            real *place = packed + from * units;
            for (int l = 0; l < count; l++, place += m * lefts[l - 1].width) {
                const real *pointers[ROWS];
                for (long i = 0; i < m; i++)
                    pointers[i] = row_at(lefts + l, batch, row + from + i - shift * batch);
                pack_pointers(pointers, lefts[l].width, (int)m, place);
            }
        }
        for (long c = 0; c < width; c += 2 * LANES)
            for (long b = 0; b < blocks; b++) {
                const long from = held * b / blocks;
                const int m = (int)(held * (b + 1) / blocks - from), n = (int)least(2, vectors_for(width - c));
                part parts[count];
                parts[0] = (part){packed + from * units, units, m, 1};
                for (int l = 0; lie && l < count; l++) {
                    const long pitch = pitch_of(lefts + l, batch);
                    parts[l] = (part){lefts[l].rows + (row + from - shift * batch) * pitch, lefts[l].width, 1, pitch};
                }
                products(m, n, zeros, 0, parts, lie ? count : 1, memory + c * units, tile, TALL);
                put_tile(tile, m, n, width - c, into + (row + from) * width + c, width, adds);
            }
    }
}

/* A plane added to rows of into[rows][batch][width], or put there: see through. */
UNUSED static void add_plane(const share *me, long steps, long batch, plane p, real *into, long rows, long shift, int adds)
{
    const long mine = first_unit(me, rows * batch, 0), end = first_unit(me, rows * batch, 1);
    for (long row = mine; row < end; row++) {
        const long from = row - shift * batch;
        const int there = from >= 0 && from < steps * batch;
        const real *given = there ? row_at(&p, batch, from) : 0;
        for (long c = 0; c < p.width; c += LANES) {
            const long n = least(p.width - c, LANES);
            real *place = into + row * p.width + c;
            const vec x = there ? load(given + c, n) : (vec){0};
            store(place, adds ? load(place, n) + x : x, n);
        }
    }
}

/* The sum of a plane over the steps, in into[batch][width]. */
UNUSED static void step_sums(const share *me, long steps, long batch, plane p, real *into, int adds)
{
    for (long b = first_unit(me, batch, 0); b < first_unit(me, batch, 1); b++)
        for (long c = 0; c < p.width; c += LANES) {
            const long n = least(p.width - c, LANES);
            vec sum = adds ? load(into + b * p.width + c, n) : (vec){0};
            for (long t = 0; t < steps; t++)
                sum += load(p.rows + t * p.step + b * p.row + c, n);
            store(into + b * p.width + c, sum, n);
        }
}

/* The products of all components of two planes, summed over the steps and added to columns of an example's own matrix:
   into[batch][left][pitch]. */
UNUSED static void step_outers(const share *me, long steps, long batch, plane left, plane right, real *into, long pitch)
{
    for (long b = first_unit(me, batch, 0); b < first_unit(me, batch, 1); b++)
        for (long t = 0; t < steps; t++) {
            const real *x = left.rows + t * left.step + b * left.row, *y = right.rows + t * right.step + b * right.row;
            for (long i = 0; i < left.width; i++)
                for (long c = 0; c < right.width; c += LANES) {
                    const long n = least(right.width - c, LANES);
                    real *place = into + (b * left.width + i) * pitch + c;
                    store(place, load(place, n) + x[i] * load(y + c, n), n);
                }
        }
}

#endif
