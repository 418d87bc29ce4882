/* products.h: weights and rows as they are packed, and the products of a tile. */
#ifndef SQ_PRODUCTS_H
#define SQ_PRODUCTS_H

#include "vectors.h"

/* --- products --------------------------------------------------------------------------------------------------- */

/* One operand of a product for a block of examples: `pitch` from component to component, `apart` from example to
   example. Packed it is [component][example]. */
typedef struct {
    const real *rows;
    long width, pitch, apart;
} part;

/* `m` examples by `n` vectors of units; `u` sums of each where one would wait for itself. The sums begin with `start`,
   `apart` from example to example, and go into a tile: for each vector, so many examples as it is `tall`. */
INLINE void multiply(const int m, const int n, const int u, const real *start, long apart, const part *parts, int count,
                     const real *panel, long next, real *tile, long tall)
{
    vec sum[4][ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < n; v++) {
            sum[0][i][v] = load(start + i * apart + v * LANES, LANES);
#pragma GCC unroll 4
            for (int s = 1; s < u; s++)
                sum[s][i][v] = all(0);
        }
    for (int p = 0; p < count; p++) {
        const real *row = parts[p].rows;
        const long width = parts[p].width, pitch = parts[p].pitch, far = parts[p].apart;
        long k = 0;
        for (; k + u <= width; k += u)
#pragma GCC unroll 4
            for (int s = 0; s < u; s++) {
                vec w[2];
#pragma GCC unroll 2
                for (int v = 0; v < n; v++)
                    w[v] = load(panel + v * LANES, LANES);
                panel += next;
#pragma GCC unroll 16
                for (int i = 0; i < m; i++)
#pragma GCC unroll 2
                    for (int v = 0; v < n; v++)
                        sum[s][i][v] += w[v] * row[i * far];
                row += pitch;
            }
        for (; k < width; k++, panel += next, row += pitch)
#pragma GCC unroll 16
            for (int i = 0; i < m; i++)
#pragma GCC unroll 2
                for (int v = 0; v < n; v++)
                    sum[0][i][v] += load(panel + v * LANES, LANES) * row[i * far];
    }
#pragma GCC unroll 16
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < n; v++) {
#pragma GCC unroll 4
            for (int s = 1; s < u; s++)
                sum[0][i][v] += sum[s][i][v];
            store(tile + (v * tall + i) * LANES, sum[0][i][v], LANES);
        }
}

#define MULTIPLY(m, n, u)                                                                              \
    UNUSED static void multiply_##m##_##n(const real *start, long apart, const part *parts, int count, \
                                          const real *panel, long next, real *tile, long tall)         \
    {                                                                                                  \
        multiply(m, n, u, start, apart, parts, count, panel, next, tile, tall);                        \
    }
MULTIPLY(1, 1, 4) MULTIPLY(1, 2, 4) MULTIPLY(2, 1, 4) MULTIPLY(2, 2, 2) MULTIPLY(3, 1, 3) MULTIPLY(3, 2, 2)
MULTIPLY(4, 1, 2) MULTIPLY(4, 2, 1) MULTIPLY(5, 1, 2) MULTIPLY(5, 2, 1) MULTIPLY(6, 1, 2) MULTIPLY(6, 2, 1)
#if ROWS > 6
MULTIPLY(7, 1, 1) MULTIPLY(7, 2, 1) MULTIPLY(8, 1, 1) MULTIPLY(8, 2, 1) MULTIPLY(9, 1, 1) MULTIPLY(9, 2, 1)
MULTIPLY(10, 1, 1) MULTIPLY(10, 2, 1) MULTIPLY(11, 1, 1) MULTIPLY(11, 2, 1) MULTIPLY(12, 1, 1) MULTIPLY(12, 2, 1)
#endif

/* The products of `m` examples with `n` vectors of a panel, added to what the sums start with, into a tile. The vectors
   for the next component are `next` numbers on. */
UNUSED static void products_along(int m, int n, const real *start, long apart, const part *parts, int count,
                                  const real *panel, long next, real *tile, long tall)
{
#define CASE(m)                                                                    \
    case m:                                                                        \
        if (n == 1)                                                                \
            multiply_##m##_1(start, apart, parts, count, panel, next, tile, tall); \
        else                                                                       \
            multiply_##m##_2(start, apart, parts, count, panel, next, tile, tall); \
        break;
    switch (m) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if ROWS > 6
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    }
#undef CASE
}

/* The same with a panel whose vectors lie one after the other. */
INLINE void products(int m, int n, const real *start, long apart, const part *parts, int count, const real *panel,
                     real *tile, long tall)
{
    products_along(m, n, start, apart, parts, count, panel, n * LANES, tile, tall);
}

/* --- packing ---------------------------------------------------------------------------------------------------- */

/* Asks for memory of `m` examples that will soon be read, or written; where there is none, nothing happens. */
INLINE void ask_to_read(const real *rows, long stride, int m)
{
    for (int i = 0; i < m; i++)
        __builtin_prefetch(rows + i * stride);
}

INLINE void ask_to_write(const real *rows, long stride, int m)
{
    for (int i = 0; i < m; i++)
        __builtin_prefetch(rows + i * stride, 1);
}

/* Four rows of four components, turned. */
#ifdef SQ_DOUBLE
typedef real four __attribute__((vector_size(32), aligned(8), may_alias));
typedef whole four_places __attribute__((vector_size(32)));
#else
typedef real four __attribute__((vector_size(16), aligned(4), may_alias));
typedef whole four_places __attribute__((vector_size(16)));
#endif
#if defined(__clang__)
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (four_places){__VA_ARGS__})
#endif

INLINE void turn_four(const real *a, const real *b, const real *c, const real *d, real *into, long apart)
{
    const four w = *(const four *)a, x = *(const four *)b, y = *(const four *)c, z = *(const four *)d;
    const four wx_low = PICK(w, x, 0, 4, 1, 5), wx_high = PICK(w, x, 2, 6, 3, 7);
    const four yz_low = PICK(y, z, 0, 4, 1, 5), yz_high = PICK(y, z, 2, 6, 3, 7);
    *(four *)into = PICK(wx_low, yz_low, 0, 1, 4, 5);
    *(four *)(into + apart) = PICK(wx_low, yz_low, 2, 3, 6, 7);
    *(four *)(into + 2 * apart) = PICK(wx_high, yz_high, 0, 1, 4, 5);
    *(four *)(into + 3 * apart) = PICK(wx_high, yz_high, 2, 3, 6, 7);
}

/* Rows of `width` components as a part of `m` examples. */
UNUSED static void pack_pointers(const real *const *rows, long width, int m, real *into)
{
    const long turned = m < 4 ? 0 : width / 4 * 4;
    for (int i = 0; turned && i < m; i += 4) {
        const int at = i + 4 <= m ? i : m - 4; /* the last four once more, in part */
        const real *a = rows[at], *b = rows[at + 1], *c = rows[at + 2], *d = rows[at + 3];
        for (long k = 0; k < turned; k += 4)
            turn_four(a + k, b + k, c + k, d + k, into + k * m + at, m);
    }
    for (int i = 0; i < m; i++)
        for (long k = turned; k < width; k++)
            into[k * m + i] = rows[i][k];
}

/* The same of rows `stride` apart; a single one lies as it should. */
UNUSED static void pack_rows(const real *rows, long stride, long width, int m, real *into)
{
    const real *pointers[ROWS];
    for (int i = 0; i < m; i++)
        pointers[i] = rows + i * stride;
    if (m > 1)
        pack_pointers(pointers, width, m, into);
}

/* One row of a part of `m` examples. */
INLINE void pack_row(const real *row, long width, int i, int m, real *into)
{
    for (long k = 0; k < width; k++)
        into[k * m + i] = row[k];
}

/* The tile's rows side by side: [example][vector][LANE]. */
INLINE void unload(const real *tile, int m, int n, real *rows)
{
    for (int i = 0; i < m; i++)
        for (int v = 0; v < n; v++)
            store(rows + (i * n + v) * LANES, load(tile + (v * TALL + i) * LANES, LANES), LANES);
}

/* Of few examples, weights cost more to read than to multiply: what is known of all steps is multiplied beforehand, many
   steps at a time. How many numbers that gives, `each` for an example at a step; 0 where it is not done. */
INLINE long known_beforehand(long steps, long batch, long each)
{
    return batch < 4 && steps * batch <= (1L << 24) / (each ? each : 1) ? steps * batch * each : 0;
}

INLINE part part_of(const real *rows, long width, int m, const real *packed)
{
    return (part){m == 1 ? rows : packed, width, m, 1};
}

/* Weights as a function of (unit, component): `weight[unit * by_unit + component * by_component]`. Puts `units` of
   them (the rest 0) beside one another, `apart` from component to component. */
UNUSED static void pack(real *panel, long apart, const real *weight, long by_unit, long by_component, long units, long width)
{
    const long there = units < 0 ? 0 : units < LANES ? units : LANES;
    long k = 0;
    if (by_unit == 1)
        for (; k < width; k++)
            store(panel + k * apart, load(weight + k * by_component, there), LANES);
    else if (by_component == 1 && there == LANES && LANES >= 4)
        for (; k + 4 <= width; k += 4)
            for (long j = 0; j < LANES; j += 4) {
                const real *from = weight + j * by_unit + k;
                turn_four(from, from + by_unit, from + 2 * by_unit, from + 3 * by_unit, panel + k * apart + j, apart);
            }
    for (; k < width; k++)
        for (long j = 0; j < LANES; j++)
            panel[k * apart + j] = j < there ? weight[j * by_unit + k * by_component] : 0;
}

UNUSED static void pack_bias(real *panel, const real *bias, long units, int adds)
{
    for (long j = 0; j < LANES; j++)
        panel[j] = (adds ? panel[j] : 0) + (bias && j < units ? bias[j] : 0);
}

#endif
