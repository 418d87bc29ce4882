/* matrices.h: matrices of a scan, an example's as its rows, one after the other. Each function gives a vector of
   n units from the unit `from` on. */
#ifndef SQ_MATRICES_H
#define SQ_MATRICES_H

#include "functions.h"

#ifdef SQ_DOUBLE
#define COUNT (VECTOR / 8)
#else
#define COUNT (VECTOR / 4)
#endif
#if COUNT == 2
#define EVENS 0, 2
#define ODDS 1, 3
#elif COUNT == 4
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#elif COUNT == 8
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#endif
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (bits){__VA_ARGS__})
#endif

/* A vector's components, each so many times one after the other, and all of them again. */
INLINE vec spread(const real *p, long from, long each, long width)
{
    if (each % LANES == 0)
        return all(p[from / each % width]);
    if (each == 1 && width % LANES == 0)
        return *(const loose *)(p + from % width);
    vec x;
    for (long k = 0; k < LANES; k++)
        x[k] = p[(from + k) / each % width];
    return x;
}

/* The transpose of a matrix. */
INLINE vec turned(const real *p, long from, long n, long rows, long columns)
{
    vec x = {0};
    for (long k = 0; k < n; k++)
        x[k] = p[(from + k) % rows * columns + (from + k) / rows];
    return x;
}

/* A fold of each row. */
#define BY_ROWS(fold)                                                            \
    UNUSED static vec fold##_rows(const real *p, long from, long n, long columns) \
    {                                                                            \
        vec x = {0};                                                             \
        for (long k = 0; k < n; k++)                                             \
            x[k] = fold(p + (from + k) * columns, columns);                      \
        return x;                                                                \
    }
BY_ROWS(sum_of)
BY_ROWS(largest_of)
BY_ROWS(smallest_of)

/* How many sums are added up side by side: each waits for what it was before. */
#define ABREAST 4

/* A matrix that stands as its transpose times a vector. */
INLINE vec of_columns(const real *a, const real *b, long from, long n, long rows, long inner)
{
    vec sums[ABREAST] = {{0}};
    long j = 0;
    for (; j + ABREAST <= inner; j += ABREAST)
        for (int k = 0; k < ABREAST; k++)
            sums[k] += load(a + (j + k) * rows + from, n) * b[j + k];
    for (; j < inner; j++)
        sums[0] += load(a + j * rows + from, n) * b[j];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

INLINE void add_pairs(vec *x, long count)
{
#pragma GCC unroll 8
    for (long k = 0; k < count; k++)
        x[k] = SHUFFLE(x[2 * k], x[2 * k + 1], EVENS) + SHUFFLE(x[2 * k], x[2 * k + 1], ODDS);
}

/* Of as many vectors as there are lanes each one's sum, in its lane: neighbours are added up, and neighbours of these. */
INLINE vec sums_across(vec *x)
{
    if (LANES > 8)
        add_pairs(x, 8);
    if (LANES > 4)
        add_pairs(x, 4);
    if (LANES > 2)
        add_pairs(x, 2);
    add_pairs(x, 1);
    return x[0];
}

/* Products of n components side by side, to be added up across the lanes. */
INLINE vec products_of(const real *a, const real *b, long n)
{
    vec sum = {0};
    long j = 0;
    for (; j + LANES <= n; j += LANES)
        sum += *(const loose *)(a + j) * *(const loose *)(b + j);
    if (j < n)
        sum += load(a + j, n - j) * load(b + j, n - j);
    return sum;
}

/* A matrix times a vector: of each row the sum of products with it. */
INLINE vec of_rows(const real *a, const real *b, long from, long n, long inner)
{
    vec x[LANES] = {{0}};
#pragma GCC unroll 16
    for (long k = 0; k < LANES; k++)
        if (k < n)
            x[k] = products_of(a + (from + k) * inner, b, inner);
    return sums_across(x);
}

/* A matrix times a matrix, row by row; one that is turned stands as its transpose. Where the units lie in one row, they
   are added up together. */
INLINE vec of_matrices(const real *a, const real *b, long from, long n, long rows, long inner, long columns,
                       int a_turned, int b_turned)
{
    const long right = a_turned ? rows : 1;
    vec x = {0};
    if (!b_turned && from % columns + n <= columns) {
        const real *row = a + from / columns * (a_turned ? 1 : inner), *column = b + from % columns;
        for (long j = 0; j < inner; j++)
            x += load(column + j * columns, n) * row[j * right];
        return x;
    }
    if (!a_turned && b_turned) {
        vec sums[LANES] = {{0}};
        for (long k = 0; k < n; k++)
            sums[k] = products_of(a + (from + k) / columns * inner, b + (from + k) % columns * inner, inner);
        return sums_across(sums);
    }
    for (long k = 0; k < n; k++) {
        const long i = (from + k) / columns, c = (from + k) % columns;
        const real *row = a + i * (a_turned ? 1 : inner), *column = b + c * (b_turned ? inner : 1);
        real sum = 0;
        for (long j = 0; j < inner; j++)
            sum += row[j * right] * column[j * (b_turned ? 1 : columns)];
        x[k] = sum;
    }
    return x;
}

#endif
