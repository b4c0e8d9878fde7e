// LSTM and GRU layers, and what stands around them in the CNN-LSTM: max pooling, leaving out frames.
#include "program.h"
#include <algorithm>
#include <cstring>

namespace {

int64_t round16(int n) { return (n + 15) / 16 * 16; }

// One layer, one or two directions; dst [directions * size], the backward direction behind the forward one.
struct Recurrent : Op {
    struct Direction {
        const Matrix *input, *state;
        bool backward;
        Floats gates, turned, states;
        std::vector<float> carried;  // streaming: the last cell and state, each rounded up to 16
    };

    Recurrent(int s, int d, bool gru, int size) : Op(s, d), gru(gru), size(size) {}
    bool local() const override { return false; }
    void reset() override {
        for (auto& direction : directions) direction->carried.clear();
    }

    void whole_direction(Program& p, Direction& dir, int place, int worker) {
        const int frames = p.buffers[dst].frames, rows = dir.input->rows, vectors = p.vectors(dst), vl = p.k->vl;
        const int64_t ld = p.buffers[src].ld, wide = round16(rows) + 16, hidden = round16(size);
        float* gates = dir.gates.at_least((size_t)rows * ld + 64);
        const int step = p.k->tile * vl;
        const size_t extra = linear_scratch(dir.input, step) / sizeof(float) + step + 16;
        float* space = p.worker_scratch(worker, extra + wide + 3 * hidden + 64);
        for (int v = 0; v < vectors; v += p.k->tile)
            p.k->linear(dir.input, p.row(src, 0) + v * vl, ld, gates + v * vl, ld, std::min(p.k->tile, vectors - v), space);
        float* given = dir.turned.at_least((size_t)frames * wide + 64);
        p.k->turn(gates, ld, rows, frames, given, wide);
        float* states = dir.states.at_least((size_t)(frames + 1) * hidden + 64);
        float *back = space + (extra + 15) / 16 * 16, *cell = back + wide, *start = cell + hidden;
        std::memset(cell, 0, sizeof(float) * 2 * hidden);
        if (!dir.carried.empty()) {
            std::memcpy(cell, dir.carried.data(), sizeof(float) * hidden);
            std::memcpy(start, dir.carried.data() + hidden, sizeof(float) * hidden);
        }
        const float* last = start;
        for (int i = 0; i < frames; i++) {
            const int t = dir.backward ? frames - 1 - i : i;
            float* now = states + t * hidden;
            p.k->matvec(dir.state, last, back, i % 2);
            if (gru) p.k->gru_step(given + t * wide, back, last, now, size);
            else p.k->lstm_step(given + t * wide, back, cell, now, size);
            last = now;
        }
        if (p.left >= 0) {
            dir.carried.assign(cell, cell + hidden);
            dir.carried.insert(dir.carried.end(), last, last + hidden);
        }
        p.k->turn(states, hidden, frames, size, p.row(dst, place * size), p.buffers[dst].ld);
    }

    void whole(Program& p) override {
        p.pool.run((int)directions.size(), [&](int i, int worker) { whole_direction(p, *directions[i], i, worker); });
    }

    bool gru;
    int size;
    std::vector<std::unique_ptr<Direction>> directions;
};

// 2 x 2 maxima over frequency and time; what is left over at the ends counts as a whole window.
struct MaxPool : Op {
    MaxPool(int s, int d, int channels, int freqs) : Op(s, d), channels(channels), freqs(freqs) {}
    bool local() const override { return false; }
    int frames(int in) const override { return (in + 1) / 2; }
    void whole(Program& p) override {
        const int in = p.buffers[src].frames;
        for (int f = 0; f < (freqs + 1) / 2; f++)
            for (int c = 0; c < channels; c++) {
                const float* a = p.row(src, 2 * f * channels + c);
                const float* b = 2 * f + 1 < freqs ? p.row(src, (2 * f + 1) * channels + c) : a;
                float* y = p.row(dst, f * channels + c);
                p.k->pool(a, b, y, in / 2);
                if (in % 2) y[in / 2] = std::max(a[in - 1], b[in - 1]);
            }
    }
    int channels, freqs;
};

struct Subsample : Op {  // frames 0, step, 2 step, ...
    Subsample(int s, int d, int step) : Op(s, d), step(step) {}
    bool local() const override { return false; }
    int frames(int in) const override { return (in + 1) / step; }  // as ESPnet counts them
    void whole(Program& p) override {
        for (int c = 0; c < p.buffers[dst].channels; c++)
            p.k->stride(p.row(src, c), p.row(dst, c), p.buffers[dst].frames, step);
    }
    int step;
};

}  // namespace

std::unique_ptr<Op> make_recurrent(int s, int d, bool gru, int size, const Matrix* const* matrices, int directions) {
    auto op = std::make_unique<Recurrent>(s, d, gru, size);
    for (int i = 0; i < directions; i++) {
        op->directions.push_back(std::make_unique<Recurrent::Direction>());
        op->directions[i]->input = matrices[2 * i];
        op->directions[i]->state = matrices[2 * i + 1];
        op->directions[i]->backward = i == 1;
    }
    return op;
}
std::unique_ptr<Op> make_max_pool(int s, int d, int channels, int freqs) {
    return std::make_unique<MaxPool>(s, d, channels, freqs);
}
std::unique_ptr<Op> make_subsample(int s, int d, int step) { return std::make_unique<Subsample>(s, d, step); }
