// LSTM and GRU layers, and what stands around them in the CNN-LSTM: max pooling, leaving out frames.
#include "program.h"
#include <algorithm>
#include <cstring>

namespace {

int64_t round16(int n) { return (n + 15) / 16 * 16; }

// One layer, one or two directions; dst [directions * size], the backward direction behind the forward one. The units of
// a direction may be shared by several threads, which meet after every frame.
struct Recurrent : Op {
    struct Direction {
        const Matrix* input;
        std::vector<const Matrix*> states;  // of each part
        bool backward;
        Barrier meeting;
        Floats gates, turned, hidden, back, cell;  // cell: of the last frame, then the state before the first one

        Direction(const Matrix* const* matrices, int parts, bool backward)
            : input(matrices[0]), states(matrices + 1, matrices + 1 + parts), backward(backward), meeting(parts) {}
    };

    Recurrent(int s, int d, bool gru, int size, int parts, int share)
        : Op(s, d), gru(gru), size(size), parts(parts), share(share), wide(round16(size)) {}
    bool local() const override { return false; }
    void reset() override {
        for (auto& direction : directions) forget(*direction);
    }
    void forget(Direction& dir) { std::memset(dir.cell.at_least(2 * wide), 0, sizeof(float) * 2 * wide); }

    // All memory is taken here: a thread that ran out of it would leave the others waiting.
    size_t reserve(Program& p, Direction& dir) {
        const int64_t ld = p.buffers[src].ld;
        const size_t frames = p.buffers[dst].frames, rows = dir.input->rows;
        dir.gates.at_least(rows * ld + 64);
        dir.turned.at_least(frames * turned_ld(dir) + 64);
        dir.hidden.at_least((frames + 1) * wide + 64);
        dir.back.at_least(parts * back_ld() + 64);
        dir.cell.at_least(2 * wide);
        if (p.left < 0) forget(dir);
        const int step = p.k->tile * p.k->vl;
        return linear_scratch(dir.input, step) / sizeof(float) + step + 16;
    }

    void run_part(Program& p, Direction& dir, int place, int part, int worker) {
        const int frames = p.buffers[dst].frames, rows = dir.input->rows, vectors = p.vectors(dst), vl = p.k->vl;
        const int64_t ld = p.buffers[src].ld, given_ld = turned_ld(dir);
        float *gates = dir.gates.data(), *given = dir.turned.data(), *states = dir.hidden.data();
        float* space = p.worker_scratch(worker, 0);
        for (int v = part * p.k->tile; v < vectors; v += parts * p.k->tile)
            p.k->linear(dir.input, p.row(src, 0) + v * vl, ld, gates + v * vl, ld, std::min(p.k->tile, vectors - v), space);
        dir.meeting.wait();
        const int from = (int)round16((int64_t)frames * part / parts), to = (int)round16((int64_t)frames * (part + 1) / parts);
        const int mine = std::min(to, frames) - from;
        if (mine > 0) p.k->turn(gates + from, ld, rows, mine, given + from * given_ld, given_ld);
        dir.meeting.wait();
        const int unit = part * share, units = std::min(share, size - unit);
        float *back = dir.back.data() + part * back_ld(), *cell = dir.cell.data();
        const float* last = cell + wide;
        for (int i = 0; i < frames; i++) {
            const int t = dir.backward ? frames - 1 - i : i;
            const float* gate = given + t * given_ld + unit;
            float* now = states + t * wide;
            p.k->matvec(dir.states[part], last, back, i % 2);
            if (gru) p.k->gru_step(gate, size, back, last + unit, now + unit, units);
            else p.k->lstm_step(gate, size, back, cell + unit, now + unit, units);
            last = now;
            dir.meeting.wait();
        }
        if (part == 0) std::memmove(cell + wide, last, sizeof(float) * wide);  // where a stream goes on
        const int64_t out_ld = p.buffers[dst].ld;
        if (mine > 0) p.k->turn(states + from * wide, wide, mine, size, p.row(dst, place * size) + from, out_ld);
    }

    void whole(Program& p) override {
        size_t scratch = 0;
        for (auto& direction : directions) scratch = std::max(scratch, reserve(p, *direction));
        for (int worker = 0; worker < p.pool.threads(); worker++) p.worker_scratch(worker, scratch);
        p.pool.run((int)directions.size() * parts, [&](int i, int worker) {
            run_part(p, *directions[i / parts], i / parts, i % parts, worker);
        });
    }

    int64_t turned_ld(const Direction& dir) const { return round16(dir.input->rows) + 16; }
    size_t back_ld() const { return round16((gru ? 3 : 4) * share) + 16; }

    const bool gru;
    const int size, parts, share;
    const int64_t wide;
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

std::unique_ptr<Op> make_recurrent(int s, int d, bool gru, int size, const Matrix* const* matrices, int directions,
                                   int parts) {
    auto op = std::make_unique<Recurrent>(s, d, gru, size, parts, matrices[1]->rows / (gru ? 3 : 4));
    for (int i = 0; i < directions; i++, matrices += 1 + parts)
        op->directions.push_back(std::make_unique<Recurrent::Direction>(matrices, parts, i == 1));
    return op;
}
std::unique_ptr<Op> make_max_pool(int s, int d, int channels, int freqs) {
    return std::make_unique<MaxPool>(s, d, channels, freqs);
}
std::unique_ptr<Op> make_subsample(int s, int d, int step) { return std::make_unique<Subsample>(s, d, step); }
