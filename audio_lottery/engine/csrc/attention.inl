// Self-attention of one head, VL queries at a time. Scores are kept [query][key], so that the shift of the
// relative positions is nothing but an offset; the weights are turned around for the product with the values.

// C[m][n] = sum over k of A[k][m] * B[k][n], m < VL, n < columns (rounded up to whole vectors)
template <int M, int NV>
INLINE void product_tile(const float* a, const float* b, int64_t ldb, float* c, int64_t ldc, int depth) {
    V acc[M][NV] = {};
    for (int k = 0; k < depth; k++, a += VL, b += ldb)
        for (int v = 0; v < NV; v++) {
            V in = load(b + v * VL);
            for (int m = 0; m < M; m++) acc[m][v] += splat(a[m]) * in;
        }
    for (int m = 0; m < M; m++)
        for (int v = 0; v < NV; v++) store(c + m * ldc + v * VL, acc[m][v]);
}

static void product(const float* a, const float* b, int64_t ldb, float* c, int64_t ldc, int depth, int columns) {
    constexpr int M = MANY_REGISTERS ? 8 : 4, NV = MANY_REGISTERS || VL == 8 ? 3 : 2;
    for (int m = 0; m < VL; m += M)
        split<NV>((columns + VL - 1) / VL, [&](int n, int at) {
            const float* in = b + at * VL;
            float* out = c + m * ldc + at * VL;
            if (n == 1) product_tile<M, 1>(a + m, in, ldb, out, ldc, depth);
            else if (n == 2) product_tile<M, 2>(a + m, in, ldb, out, ldc, depth);
            else if constexpr (NV >= 3) product_tile<M, 3>(a + m, in, ldb, out, ldc, depth);
        });
}

// row[0 .. frames) -> softmax(row * scale); `bias`, where given, is added before scaling. Zeros up to a whole vector.
INLINE void softmax(float* row, const float* bias, int frames, float scale) {
    const int whole = (frames + VL - 1) / VL * VL;
    for (int t = frames; t < whole; t++) row[t] = -1e30f;
    V top = splat(-1e30f);
    for (int t = 0; t < whole; t += VL) {
        V s = load(row + t);
        if (bias) s += load(bias + t);
        s *= scale;
        if (t + VL > frames)
            for (int i = frames - t; i < VL; i++) s[i] = -1e30f;
        top = vmax(top, s);
        store(row + t, s);
    }
    const V highest = splat(max_lanes(top));
    V sum = {};
    for (int t = 0; t < whole; t += VL) {
        V e = vexp(load(row + t) - highest);
        if (t + VL > frames)
            for (int i = frames - t; i < VL; i++) e[i] = 0.0f;
        sum += e;
        store(row + t, e);
    }
    const V inverse = splat(1.0f / sum_lanes(sum));
    for (int t = 0; t < whole; t += VL) store(row + t, load(row + t) * inverse);
}

// out[d][query] = sum over keys of v[d][key] * weights[key][query]
template <int M>
INLINE void mix(const float* v, int64_t ld, const float* weights, float* out, int frames) {
    V acc[M] = {};
    for (int t = 0; t < frames; t++) {
        V w = load(weights + (int64_t)t * VL);
        for (int m = 0; m < M; m++) acc[m] += splat(v[m * ld + t]) * w;
    }
    for (int m = 0; m < M; m++) store(out + m * ld, acc[m]);
}

static int64_t score_width(int frames) { return (frames + VL - 1) / VL * VL + VL; }

static size_t attention_scratch(int frames, int dk) {
    return 2 * (size_t)dk * VL + 2 * VL * (score_width(frames) + VL) + (size_t)score_width(frames) * VL + 4 * VL;
}

// Queries first .. first + count - 1, and up to VL - 1 more, whose results mean nothing.
static void attention(const Heads* h, int first, int count, float* scratch) {
    const int frames = h->frames, dk = h->dk;
    const int64_t width = score_width(frames) + VL;  // the shifted rows begin up to VL - 1 columns later
    float* qu = scratch;
    float* qv = qu + (int64_t)dk * VL;
    float* scores = qv + (int64_t)dk * VL;
    float* shifted = scores + VL * width;
    float* turned = shifted + VL * width;
    const float scale = 1.0f / __builtin_sqrtf((float)dk);
    for (int q0 = first; q0 < first + count; q0 += VL) {
        for (int d = 0; d < dk; d++) {
            V q = load(h->q + d * h->ld + q0);
            store(qu + d * VL, h->pos ? q + h->bias_u[d] : q);
            if (h->pos) store(qv + d * VL, q + h->bias_v[d]);
        }
        product(qu, h->k, h->ld, scores, width, dk, frames);
        // distance of query q to key t is q - t: column centre - q + t. Row r of the block begins VL - 1 - r later.
        if (h->pos)
            product(qv, h->pos + h->centre - q0 - (VL - 1), h->pos_ld, shifted, width, dk, frames + VL - 1);
        for (int r = 0; r < VL; r++)
            softmax(scores + r * width, h->pos ? shifted + r * width + VL - 1 - r : nullptr, frames, scale);
        for (int t = 0; t < frames; t += VL) {
            V block[VL];
            for (int r = 0; r < VL; r++) block[r] = load(scores + r * width + t);
            transpose(block);
            for (int i = 0; i < VL; i++) store(turned + (int64_t)(t + i) * VL, block[i]);
        }
        int d = 0;
        for (; d + 8 <= dk; d += 8) mix<8>(h->v + d * h->ld, h->ld, turned, h->out + d * h->ld + q0, frames);
        for (; d < dk; d++) mix<1>(h->v + d * h->ld, h->ld, turned, h->out + d * h->ld + q0, frames);
    }
}
