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

/* A matrix times a vector: of each row the sum of products with it. */
UNUSED static vec of_rows(const real *a, const real *b, long from, long n, long rows, long inner)
{
    (void)rows;
    vec x = {0};
    for (long k = 0; k < n; k++) {
        const real *row = a + (from + k) * inner;
        vec sum = {0};
        for (long j = 0; j < inner; j += LANES) {
            const long count = inner - j < LANES ? inner - j : LANES;
            sum += load(row + j, count) * load(b + j, count);
        }
        for (long j = 0; j < LANES; j++)
            x[k] += sum[j];
    }
    return x;
}

/* The same of a matrix that stands as its transpose. */
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

/* A matrix times a matrix, row by row; one that is turned stands as its transpose. */
UNUSED static vec of_matrices(const real *a, const real *b, long from, long n, long rows, long inner, long columns,
                              int a_turned, int b_turned)
{
    const long right = a_turned ? rows : 1, down = b_turned ? 1 : columns;
    vec x = {0};
    for (long k = 0; k < n; k++) {
        const long i = (from + k) / columns, c = (from + k) % columns;
        const real *row = a_turned ? a + i : a + i * inner, *column = b_turned ? b + c * inner : b + c;
        real sum = 0;
        for (long j = 0; j < inner; j++)
            sum += row[j * right] * column[j * down];
        x[k] = sum;
    }
    return x;
}

#endif
