/* matrices.h: matrices that a scan makes, an example's as its rows, one after the other. Each function gives a vector of
   n units from the unit `from` on. */
#ifndef SQ_MATRICES_H
#define SQ_MATRICES_H

#include "functions.h"

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
UNUSED static vec of_columns(const real *a, const real *b, long from, long n, long rows, long inner)
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

/* The sum of products of n components side by side. */
INLINE real dot(const real *a, const real *b, long n)
{
    vec sums[2] = {{0}};
    long j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        for (int k = 0; k < 2; k++)
            sums[k] += *(const loose *)(a + j + k * LANES) * *(const loose *)(b + j + k * LANES);
    for (; j < n; j += LANES)
        sums[0] += load(a + j, n - j < LANES ? n - j : LANES) * load(b + j, n - j < LANES ? n - j : LANES);
    sums[0] += sums[1];
    real sum = 0;
    for (long k = 0; k < LANES; k++)
        sum += sums[0][k];
    return sum;
}

/* A matrix times a vector: of each row the sum of products with it. */
UNUSED static vec of_rows(const real *a, const real *b, long from, long n, long inner)
{
    vec x = {0};
    for (long k = 0; k < n; k++)
        x[k] = dot(a + (from + k) * inner, b, inner);
    return x;
}

/* A matrix times a matrix, row by row; one that is turned stands as its transpose. Where the units lie in one row, they
   are added up together. */
UNUSED static vec of_matrices(const real *a, const real *b, long from, long n, long rows, long inner, long columns,
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
    for (long k = 0; k < n; k++) {
        const long i = (from + k) / columns, c = (from + k) % columns;
        const real *row = a + i * (a_turned ? 1 : inner), *column = b + c * (b_turned ? inner : 1);
        if (!a_turned && b_turned) {
            x[k] = dot(row, column, inner);
            continue;
        }
        real sum = 0;
        for (long j = 0; j < inner; j++)
            sum += row[j * right] * column[j * (b_turned ? 1 : columns)];
        x[k] = sum;
    }
    return x;
}

#endif
