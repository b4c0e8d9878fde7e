// What happens to every frame by itself, and the convolution of one channel over time.

static void layer_norm(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv, const float* gain,
                       const float* bias, float eps) {
    for (int v = 0; v < nv; v++, x += VL, y += VL) {
        V sum = {}, squares = {};
        for (int c = 0; c < channels; c++) sum += load(x + c * ldx);
        const V mean = sum * (1.0f / channels);
        for (int c = 0; c < channels; c++) {  // second pass: mean of squares minus square of mean would cancel
            V d = load(x + c * ldx) - mean;
            squares += d * d;
        }
        const V scale = 1.0f / vsqrt(squares * (1.0f / channels) + eps);
        for (int c = 0; c < channels; c++) store(y + c * ldy, (load(x + c * ldx) - mean) * scale * gain[c] + bias[c]);
    }
}

template <typename F>
INLINE void map(float* x, int64_t ld, int channels, int nv, F&& f) {
    for (int c = 0; c < channels; c++)
        for (int v = 0; v < nv; v++) store(x + c * ld + v * VL, f(load(x + c * ld + v * VL)));
}

static void activate(float* x, int64_t ld, int channels, int nv, int kind) {
    switch (kind) {
        case RELU: map(x, ld, channels, nv, [](V a) { return vmax(a, V{}); }); break;
        case SWISH: map(x, ld, channels, nv, [](V a) { return a * sigmoid(a); }); break;
        case TANH: map(x, ld, channels, nv, [](V a) { return vtanh(a); }); break;
        case SIGMOID: map(x, ld, channels, nv, [](V a) { return sigmoid(a); }); break;
        case GELU: map(x, ld, channels, nv, [](V a) { return gelu(a); }); break;
        case RELU20: map(x, ld, channels, nv, [](V a) { return vmin(vmax(a, V{}), splat(20.0f)); }); break;
    }
}

// x [2 * channels] -> y [channels]
static void glu(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv) {
    for (int c = 0; c < channels; c++)
        for (int v = 0; v < nv; v++)
            store(y + c * ldy + v * VL, load(x + c * ldx + v * VL) * sigmoid(load(x + (c + channels) * ldx + v * VL)));
}

static void add(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv, float scale) {
    for (int c = 0; c < channels; c++)
        for (int v = 0; v < nv; v++)
            store(y + c * ldy + v * VL, load(x + c * ldx + v * VL) * scale + load(y + c * ldy + v * VL));
}

static void multiply(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv) {
    for (int c = 0; c < channels; c++)
        for (int v = 0; v < nv; v++) store(y + c * ldy + v * VL, load(x + c * ldx + v * VL) * load(y + c * ldy + v * VL));
}

static void affine(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv, const float* scale,
                   const float* shift) {
    for (int c = 0; c < channels; c++)
        for (int v = 0; v < nv; v++) store(y + c * ldy + v * VL, load(x + c * ldx + v * VL) * scale[c] + shift[c]);
}

// CHAINS sums run side by side, or few vectors would wait for each other's additions
template <int NV, int CHAINS>
INLINE void depthwise_tile(const float* row, float* y, const float* weight, int taps, float bias) {
    V acc[CHAINS][NV] = {};
    int k = 0;
    for (; k + CHAINS <= taps; k += CHAINS)
        for (int c = 0; c < CHAINS; c++)
            for (int v = 0; v < NV; v++) acc[c][v] += splat(weight[k + c]) * load(row + k + c + v * VL);
    for (; k < taps; k++)
        for (int v = 0; v < NV; v++) acc[0][v] += splat(weight[k]) * load(row + k + v * VL);
    for (int v = 0; v < NV; v++) {
        V sum = acc[0][v] + bias;
        for (int c = 1; c < CHAINS; c++) sum += acc[c][v];
        store(y + v * VL, sum);
    }
}

static void depthwise(const float* row, float* y, int nv, const float* weight, int taps, float bias) {
    int v = 0;
    for (; v + 4 <= nv; v += 4) depthwise_tile<4, 2>(row + v * VL, y + v * VL, weight, taps, bias);
    for (; v + 2 <= nv; v += 2) depthwise_tile<2, 4>(row + v * VL, y + v * VL, weight, taps, bias);
    for (; v < nv; v++) depthwise_tile<1, 6>(row + v * VL, y + v * VL, weight, taps, bias);
}

static void stride(const float* x, float* y, int count, int step) {
    if (step == 1) __builtin_memcpy(y, x, sizeof(float) * count);
    else if (step == 2) for (int i = 0; i < count; i++) y[i] = x[2 * i];
    else for (int i = 0; i < count; i++) y[i] = x[i * step];
}

static void halve(const float* x, int64_t ldx, int rows, int frames, float* y, int64_t ldy) {
    for (int r = 0; r < rows; r++, x += ldx, y += 2 * ldy)
        for (int t = 0; t < frames; t += 2 * VL) {
            V even = load(x + t), odd = load(x + t + VL);
            unzip(even, odd);
            store(y + t / 2, even);
            store(y + ldy + t / 2, odd);
        }
}
