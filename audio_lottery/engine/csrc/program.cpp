#include "program.h"
#include <algorithm>
#include <cmath>
#include <cstring>

void sinusoids(float* out, int64_t ld, int channels, int first, int step, int columns) {
    for (int c = 0; c < channels; c++) {
        const float rate = std::exp((float)(c / 2 * 2) * -(float)(std::log(10000.0) / channels));
        for (int j = 0; j < columns; j++) {
            const double angle = (float)(first + step * j) * rate;
            out[c * ld + j] = (float)(c % 2 ? std::cos(angle) : std::sin(angle));
        }
    }
}

void Program::resize(int buffer, int frames) {
    Buffer& b = buffers[buffer];
    if (b.parent >= 0) return resize(b.parent, frames);
    b.frames = frames;
    b.ld = 16 * (((frames + 15) / 16) | 1);  // an odd number of cache lines: see native.pad
    b.memory.at_least((size_t)b.channels * b.ld + 64);
    for (int view : b.views) buffers[view].frames = b.frames, buffers[view].ld = b.ld;
}

void Program::run(int input, const float* x, int frames) {
    FlushDenormals flush;
    resize(input, frames);
    for (int c = 0; c < buffers[input].channels; c++) {
        std::memcpy(row(input, c), x + (size_t)c * frames, sizeof(float) * frames);
        std::memset(row(input, c) + frames, 0, sizeof(float) * (buffers[input].ld - frames));
    }
    for (auto& op : ops) {
        resize(op->dst, op->frames(buffers[op->src].frames));
        op->prepare(*this, buffers[op->dst].frames);
    }
    for (size_t i = 0; i < ops.size();) {
        // A buffer may be reused with another number of frames, so each operation sets its own again.
        resize(ops[i]->dst, ops[i]->frames(buffers[ops[i]->src].frames));
        if (!ops[i]->local()) {
            ops[i++]->whole(*this);
            continue;
        }
        size_t last = i + 1;
        while (last < ops.size() && ops[last]->local() && buffers[ops[last]->src].frames == buffers[ops[i]->dst].frames)
            resize(ops[last]->dst, buffers[ops[last]->src].frames), last++;
        run_local(i, last);
        i = last;
    }
}

void Program::run_local(size_t first, size_t last) {
    const int total = vectors(ops[first]->dst);
    int tiles = (total + k->tile - 1) / k->tile;
    if (pool.threads() > 1) tiles = std::min(total, (tiles + pool.threads() - 1) / pool.threads() * pool.threads());
    size_t need = 0;
    for (size_t i = first; i < last; i++) need = std::max(need, ops[i]->scratch(*this));
    pool.run(tiles, [&](int t, int worker) {
        float* space = worker_scratch(worker, need + 1);
        const int from = (int)((int64_t)total * t / tiles), to = (int)((int64_t)total * (t + 1) / tiles);
        for (size_t i = first; i < last; i++) ops[i]->tile(*this, from, to - from, space);
    });
}
