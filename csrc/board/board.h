/* board.h: what the files that lay the wires of a picture share. They know numbers alone, and nothing of Python.
 *
 * A grid point is y * width + x; each column and row has a centre line, with free tracks between it and the next. */
#ifndef SQ_BOARD_H
#define SQ_BOARD_H

#include <stddef.h>
#include <stdint.h>

enum { E, N, W, S };                                    /* directions in which wires go */
enum { FREE = -1 };                                     /* no net, no node, no rail, no point */
enum { INSIDE, OUTSIDE, NEVER };                        /* what may run there: anything, what ends outside, nothing */
enum { LEFT = 1, RIGHT = 2, OUTER = 4, EXIT = 8, ENTRY = 16, MERGE = 32, HANGING = 64, SIGN = 128, STAYS = 256 };
/* bits of a node's kind; what STAYS does not go to another height by itself */
enum { TRACKS = 1 };                                    /* between neighbouring lines, while plans are compared */
#define HASTE 2.5                                        /* how much less than the best will do meanwhile */
enum { BELOW, SIDE, ANY, ABOVE, OUT };                  /* how a wire comes to its sink, at a guess */

typedef struct {
    int leftward, through, entry, exit;
} Rail;

/* A wire that belongs to a rail, laid first: always if `merge` is FREE, else if that merge is the rail's bus. */
typedef struct {
    int rail, job, merge;
} Line;

/* For a guess. Of a net: the direction along a rail in which it leaves (1, -1, else 0), whether it may leave for the edge
 * at its own height, and the merge for which it leaves like that. Of a wire: how it comes to its sink, whether that lies
 * on a rail, whether it is a block. */
typedef struct {
    int along, level, after;
} Leaving;
typedef struct {
    int entrance, on_rail, block;
} Coming;

/* What all plans of a program share. A job is one wire; those of net k are first[k] up to first[k + 1]. */
typedef struct {
    int nodes, nets, jobs, rails, lines;
    int *kind, *rail;         /* of each node: bits, and the rail on which it lies */
    int *source, *first;      /* of each net */
    int *net, *sink;          /* of each job */
    Rail *rail_of;
    Line *line;
    Leaving *leaving;
    Coming *coming;
    int *level_at, *level;    /* of each rail the nodes with which it may be level */
    int *line_at, *on_line;   /* of each rail what stands at its height because of it */
    int *stop_at, *stop;      /* of each rail its stops, in the order of its flow */
    int *source_at, *sources; /* of each node what feeds it, and what it feeds */
    int *user_at, *users;
    int instances;            /* of macros */
    char *member, *nested;    /* of each instance whether a node is its own, and whether one of two is in the other */
    double *sides;            /* see Plan: those that do not depend on heights */
} Program;

/* Where nodes stand: node n in row[n] and in the columns column[at[n]] up to column[at[n + 1]], out of which go the nets
 * of `pin`. A cost of a direction below 0 means that it is closed: out[4 * net + way], into[4 * job + way]. */
typedef struct {
    const Program *program;
    int rows, columns;
    int *row, *at, *column, *pin, *pinned; /* whether a node has pins */
    const double *out, *into, *outer;
    double bend, crossing, column_price; /* what each bend, crossing and column costs */
    double aside; /* what it costs that lines which were joined go on aside and not up; below 0 they do not */
} Plan;

typedef struct {
    int point, from, next;
} Reached; /* a point of a net, and from where it was reached */

typedef struct {
    double total, cost;
    int order, state;
} Open; /* what a search may go on from */

typedef struct {
    int *item;
    int count, room;
} Ints; /* a list that grows */

typedef struct {
    const Plan *plan;
    int tracks, width, height, size, low, high; /* the cell is between the rows low and high */
    double haste;                               /* how much less than the best will do, while plans are compared */
    int failed;                                 /* no memory */
    long work;                                  /* how much was searched */
    int *place_at, *place, *start;              /* node n stands on place[place_at[n]] and so on; where each net begins */
    int *node, *across, *upright;               /* of each point: what stands there, which net runs through */
    int *row_of, *column_of, *sides, *from, *mark;
    unsigned char *ends, *closed, *goal;        /* bits of directions in which wires go on; who may pass; goals of a search */
    double *toll, *far_x, *far_y;               /* what a step across costs more in each row; for a search how far it is */
    int *side_x, *side_y;
    Reached *reached;
    int reached_count, reached_room, stamp;
    int *head, *tail, *count;                   /* of each net its points, in the order in which they were reached */
    Ints paths;                                 /* of all wires, one after the other */
    int *path_at, *path_length, *path_turn;     /* of each job; its turn says when it was laid */
    int turn;
    double *best;                               /* of each state of a search */
    int *came, *seen, search;
    Open *open;
    int open_count, open_room;
    int *order;                                 /* of jobs */
    double *rest, *urgency;
    int *nearness;
    char *among, *urgent;                       /* of jobs, of nets */
    Ints kept, way;
    int room, room_lines;                       /* for how many points, and lines, there is memory */
} Grid;

typedef struct {
    double cost;
    int crossings, corners, crooked, missing, anew; /* wires that could be straight; without a way; that do not lie as they lay */
} Cost;

/* A plan with its wires, laid in haste with a single track between lines: of each way a job, how many points, and their x
 * and y. */
typedef struct {
    Plan plan;
    Ints numbers, ways;
    Cost cost;
} Laid;

/* A rail's nodes go to a height (b), and perhaps another's (d); a node to a row, to a column, with what stands above it to
 * one of their own; a column elsewhere; two columns are swapped. */
enum { LIFT, LEVEL, PLACE, STACK, MOVE, SWAP };
typedef struct {
    int kind, a, b, c, d;
} Change;
typedef struct {
    Change *item;
    int count, room;
} Changes;

/* What was found out about a plan, by its key; `laid` counts from 1. */
typedef struct {
    uint64_t key;
    double guess, refused;
    int laid;
} Known;
typedef struct {
    Known *item;
    int count, room;
    Laid *laid;
    int laid_count, laid_room;
} Memory;

typedef struct {
    Laid now, then, afresh;
    Changes changes;
    Memory memory;
    uint64_t lots;
    int step, steps, wires;
    double warmth, nearly, columns, least, least_laid;
} Annealing;

typedef struct {
    Program program;
    Grid grid;
    Laid given, before;
    Annealing annealing;
    double *sides;
    int *scratch, scratch_room;
} Board;

int ints_room(void *items, int *room, int count, size_t item); /* makes room for more; 0 where there is no memory */
int ints_push(Ints *list, int value);
int grid_make(Grid *grid, const Program *program);
void grid_drop(Grid *grid);
int grid_begin(Grid *grid, const Plan *plan, int tracks, double haste);
void grid_occupy(Grid *grid, int net, const int *path, int count);
int grid_reach(Grid *grid, int net, int point, int from);
int grid_heading(int a, int b);
int grid_allowed(const Grid *grid, int job);

int wire_lay(Grid *grid, int job); /* how many points are new; 0 where there is no way */
double wire_nearest(const Grid *grid, int job);

int carry_lines(const Plan *before, const Plan *after, int tracks, Ints *columns, Ints *rows);
int again_lies(Grid *grid, int job, const int *way, int count);
void again_grow(Grid *grid, int net, const Ints *ways);
int again_as_before(Grid *grid, const Plan *before, const int *ways, int length, Ints *kept);

int order_jobs(Grid *grid, const char *urgent, const char *among, int *order);
int price_tried(Grid *grid, double most, double *cost, double *blame);
int price_laid(Grid *grid, Ints *kept, double most, Cost *cost);
double route_all(Grid *grid, int rounds, const char *urgent, const Ints *lying, int *missing, int *missing_count);
int route_corners(Grid *grid);
int route_crooked(const Grid *grid);

double guess_cost(const Plan *plan);

void change_heights(const Plan *plan, int rail, Changes *list);
void change_together(const Plan *plan, int one, int other, Changes *list);
void change_levels(const Plan *plan, int n, Changes *list);
void change_places(const Plan *plan, int n, Changes *list);
void change_stacks(const Plan *plan, int n, Changes *list, int *scratch);
void change_columns(const Plan *plan, Changes *list, int *block);
void change_make(Plan *plan, const Change *change, int *scratch);
int change_is_legal(const Plan *plan, int *mark);
int change_intrusions(const Plan *plan);
double change_standing(const Plan *plan);
void change_sides(Plan *plan, double *sides);

/* Plans, and what was found out about them. */
int plan_copy(Laid *to, const Plan *from);
int laid_copy(Laid *to, const Laid *from);
int plan_room(Board *board, const Plan *plan); /* memory for changing such a plan */
int plan_lay(Board *board, Plan *plan, double most, const Laid *before, Laid *out); /* 0: too dear; -1: no memory */
int plan_try(Board *board, Plan *plan, double most, double *cost, double *blame);
uint64_t plan_key(const Plan *plan);
Known *memory_of(Memory *memory, uint64_t key); /* NULL: no memory */
void memory_clear(Memory *memory);
void laid_drop(Laid *laid);

int climb(Board *board, Laid *at, double budget);
int climb_changes(Board *board, const Plan *plan); /* how many there are; -1: no memory */
int climb_change(Board *board, const Laid *at, int which, Laid *then); /* 1: it is legal; -1: no memory */
int anneal_begin(Board *board, const Laid *start, int steps, uint64_t seed, double warmth, double nearly, double columns);
int anneal_next(Board *board); /* 1: something better lies in `annealing.now`; 0: all changes are drawn; -1: no memory */

#endif
