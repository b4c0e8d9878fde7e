// Where a kernel finds its inputs, and how it cuts frames into tiles.

// Row c of the activations begins at x + c * ldx, or, with a TABLE, at x + table[c]: so a convolution reads its
// inputs where they lie.

template <bool TABLE>
INLINE const float* input(const float* x, int64_t ldx, const int32_t* table, int c) {
    return x + (TABLE ? (int64_t)table[c] : c * ldx);
}

template <int MOST, typename F>
INLINE void split(int nv, F&& run) {
    // equal parts: 5 vectors with room for 4 become 3 + 2, not 4 + 1
    const int parts = (nv + MOST - 1) / MOST;
    for (int p = 0, at = 0; p < parts; p++) {
        const int n = (nv - at + parts - p - 1) / (parts - p);
        run(n, at);
        at += n;
    }
}
