/* cart.h: the pole on a cart of the CartPole environments, whose states have the same four members. */

static void cart_begin(S *s, sq_rng *rng) {
    s->x = sq_uniform(rng, -0.05, 0.05);
    s->x_dot = sq_uniform(rng, -0.05, 0.05);
    s->theta = sq_uniform(rng, -0.05, 0.05);
    s->theta_dot = sq_uniform(rng, -0.05, 0.05);
}

/* One step of Euler's method. Only one division is made in each lane: what all share is divided before the loop. */
SQ_INLINE void cart_move(S *s, real force, real gravity, real cart, real pole, real half_length, real tau) {
    const real per_mass = 1.0 / (cart + pole), moment = pole * half_length * per_mass, share = pole * per_mass;
    const real sine = sin(s->theta), cosine = cos(s->theta);
    const real push = force * per_mass + moment * (s->theta_dot * s->theta_dot) * sine;
    const real turn = (gravity * sine - cosine * push) / (half_length * (4.0 / 3.0 - share * (cosine * cosine)));
    const real speed_up = push - moment * turn * cosine;
    s->x = s->x + tau * s->x_dot;
    s->x_dot = s->x_dot + tau * speed_up;
    s->theta = s->theta + tau * s->theta_dot;
    s->theta_dot = s->theta_dot + tau * turn;
}

/* Off the track, or leaning by more than 12 degrees. */
SQ_INLINE int32_t cart_lost(const S *s) {
    return (s->x < -2.4) | (s->x > 2.4) | (s->theta < -0.20943951023931953) | (s->theta > 0.20943951023931953);
}

static void cart_draw(const S *s, sq_canvas *c, double length) {
    sq_view(c, -2.4, -0.9, 2.4, 2.3);
    sq_line(c, -2.4, 0.0, 2.4, 0.0, 0.01, 0x000000);
    sq_box(c, s->x - 0.25, 0.0, s->x + 0.25, 0.2, 0x222222);
    sq_line(c, s->x, 0.2, s->x + length * sin(s->theta), 0.2 + length * cos(s->theta), 0.09, 0xca9865);
    sq_disc(c, s->x, 0.2, 0.045, 0x8184cb);
}
